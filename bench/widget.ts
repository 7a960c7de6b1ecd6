// What the widget costs a page that has it, and a visitor while an answer streams.
//   npx node bench/widget.ts [--pairs 9]
// The demo page with and without the widget, by turns, each in a new browser profile, at a quarter of the CPU's speed and
// over a line of 1.6 Mbit/s and 150 ms: a middling phone, as Lighthouse has it. Then an answer of 15 KB streams at that speed.
import { readFile, rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser } from '../test/support/browser.ts';
import { widgetOn } from '../test/support/chat-widget.ts';
import { createDemo } from '../test/support/demo-home.ts';
import { measuredWork, slowDown, tasksDuring } from '../test/support/main-thread.ts';
import { createPlayedAnswers } from '../test/support/played-answers.ts';
import { onFreshServers } from './support/environment.ts';
import { percentile, round } from './support/statistics.ts';

const { values } = parseArgs({ options: { pairs: { type: 'string', default: '9' } } });
const slowness = 4;
const line = { offline: false, latency: 150, downloadThroughput: 204_800, uploadThroughput: 93_750 };
/** After the page has loaded: for what comes later. */
const restMs = 3_000;

/** Milliseconds, but for `bytes` (as they came over the line), and `CLS`, which has no unit. */
type Visit = Record<'FCP' | 'LCP' | 'TBT' | 'CLS' | 'main thread' | 'longest task' | 'bytes', number>;

await onFreshServers('widget', async (environment) => {
  const { project, home } = await createDemo(environment);
  const [{ url }, browser] = await Promise.all([
    environment.startApi({ FRONTDESK_HOME: home }),
    launchBrowser(),
  ]);
  try {
    const pairs: { plain: Visit; widget: Visit }[] = [];
    // The first pair warms the server.
    for (let n = 0; n <= Number(values.pairs); n++) {
      const [plain, widget] = n % 2 ? [false, true] : [true, false];
      const first = await visit(browser, url, plain);
      const second = await visit(browser, url, widget);
      if (n > 0) pairs.push(n % 2 ? { plain: first, widget: second } : { plain: second, widget: first });
    }
    const names = Object.keys(pairs[0]!.plain) as (keyof Visit)[];
    const median = (name: keyof Visit, of: (pair: (typeof pairs)[number]) => number) =>
      round(percentile(pairs.map(of), 0.5), name === 'CLS' ? 4 : 0);
    console.log(`\nThe demo page, medians of ${pairs.length} pairs (ms; bytes; CLS)`);
    console.table(
      Object.fromEntries(
        names.map((name) => [
          name,
          {
            without: median(name, ({ plain }) => plain[name]),
            with: median(name, ({ widget }) => widget[name]),
            'pair by pair': median(name, ({ plain, widget }) => widget[name] - plain[name]),
          },
        ]),
      ),
    );

    const answers = createPlayedAnswers(environment, project);
    const longAnswer = await readFile(new URL('../test/support/long-answer.md', import.meta.url), 'utf8');
    const runs: { opening: number; streaming: number; work: number; tasks: number }[] = [];
    for (let n = 0; n < 5; n++) runs.push(await stream(browser, url, answers, longAnswer));
    const of = (name: keyof (typeof runs)[number]) =>
      round(
        percentile(
          runs.map((run) => run[name]),
          0.5,
        ),
        1,
      );
    console.log(`\nOpening the panel and streaming ${longAnswer.length} letters, medians of ${runs.length}`);
    console.table({
      'longest task while opening (ms)': of('opening'),
      'longest task while streaming (ms)': of('streaming'),
      'tasks over 50 ms while streaming': of('tasks'),
      'a fixed piece of work in the same page (ms)': of('work'),
    });
  } finally {
    await browser.close();
    await rm(home, { recursive: true });
  }
});

async function visit(browser: Browser, url: string, hasWidget: boolean): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 412, height: 823 } });
  const page = await context.newPage();
  await page.route(`${url}/demo`, async (route) => {
    const response = await route.fetch();
    const html = await response.text();
    const body = hasWidget ? html : html.replace(/<script[^>]*\/widget\.js[^>]*><\/script>/, '');
    await route.fulfill({ response, body });
  });
  await page.addInitScript(`window.seen = { LCP: 0, CLS: 0, tasks: [] };
    const watch = (type, take) => new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
    watch('largest-contentful-paint', ({ startTime }) => { seen.LCP = startTime; });
    watch('layout-shift', ({ value, hadRecentInput }) => { if (!hadRecentInput) seen.CLS += value; });
    watch('longtask', ({ startTime, duration }) => seen.tasks.push([startTime, duration]));`);
  const client = await context.newCDPSession(page);
  let bytes = 0;
  client.on('Network.loadingFinished', ({ encodedDataLength }) => {
    bytes += encodedDataLength;
  });
  await client.send('Network.enable');
  await client.send('Network.emulateNetworkConditions', line);
  await client.send('Performance.enable');
  await slowDown(page, slowness);
  await page.goto(`${url}/demo`, { waitUntil: 'load' });
  if (hasWidget) await widgetOn(page).launcher.waitFor();
  await page.waitForTimeout(restMs);
  const { metrics } = await client.send('Performance.getMetrics');
  const seen = await page.evaluate<{ LCP: number; CLS: number; tasks: [number, number][]; FCP: number }>(
    `({ ...seen, FCP: performance.getEntriesByName('first-contentful-paint')[0].startTime })`,
  );
  await context.close();
  const lengths = seen.tasks.filter(([start]) => start > seen.FCP).map(([, duration]) => duration);
  return {
    FCP: seen.FCP,
    LCP: seen.LCP,
    TBT: lengths.reduce((sum, duration) => sum + duration - 50, 0),
    CLS: seen.CLS,
    'main thread': 1000 * metrics.find(({ name }) => name === 'TaskDuration')!.value,
    'longest task': Math.max(0, ...seen.tasks.map(([, duration]) => duration)),
    bytes,
  };
}

async function stream(
  browser: Browser,
  url: string,
  answers: ReturnType<typeof createPlayedAnswers>,
  longAnswer: string,
) {
  const page: Page = await browser.newPage({ viewport: { width: 1200, height: 860 } });
  const chat = widgetOn(page);
  await page.goto(`${url}/demo`);
  await slowDown(page, slowness);
  const work = await measuredWork(browser, page);
  const opening = await tasksDuring(browser, page, async () => {
    const warm = chat.warm();
    await chat.open();
    await warm;
  });
  await chat.ask('Say a lot');
  const turn = await answers.begin('Say a lot');
  const streaming = await tasksDuring(browser, page, async () => {
    for (const piece of longAnswer.match(/[\s\S]{1,60}/g)!) await turn.write(piece);
    await turn.finish();
    await chat.answer();
  });
  await page.close();
  return {
    opening: Math.max(...opening),
    streaming: Math.max(...streaming),
    tasks: streaming.filter((ms) => ms > 50).length,
    work,
  };
}
