// What a page's main thread is busy with, by Chromium's own trace.
import type { Browser, Page } from 'playwright-core';

interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  /** Of the clock and of the thread, in microseconds. */
  dur: number;
  tdur?: number;
  args?: { name?: string };
}

/**
 * The tasks of the main thread while `run` goes on, in milliseconds. The time is the thread's own: what else the machine
 * does meanwhile is no fault of the page.
 */
export async function tasksDuring(browser: Browser, page: Page, run: () => Promise<void>): Promise<number[]> {
  await browser.startTracing(page, {
    categories: ['toplevel', 'disabled-by-default-devtools.timeline', 'devtools.timeline'],
  });
  await run();
  const { traceEvents } = JSON.parse(String(await browser.stopTracing())) as { traceEvents: TraceEvent[] };
  const main = traceEvents.filter(
    ({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain',
  );
  return traceEvents
    .filter(
      ({ name, ph, pid, tid }) =>
        ph === 'X' && name === 'RunTask' && main.some((thread) => thread.pid === pid && thread.tid === tid),
    )
    .map(({ tdur, dur }) => (tdur ?? dur) / 1000);
}

/** A page at a fraction of the machine's speed. */
export async function slowDown(page: Page, times: number): Promise<void> {
  const client = await page.context().newCDPSession(page);
  await client.send('Emulation.setCPUThrottlingRate', { rate: times });
}

/**
 * Milliseconds of a fixed piece of work in this page, as it is slowed down now: what a bound that holds on other machines is a
 * multiple of.
 */
export async function measuredWork(browser: Browser, page: Page): Promise<number> {
  const tasks = await tasksDuring(browser, page, () =>
    page.evaluate(`(async () => {
      for (let run = 0; run < 8; run++) await new Promise((resolve) => setTimeout(() => {
        const words = [];
        for (let n = 0; n < 20000; n++) words.push(String(n * 7919).split('').reverse().join(''));
        words.sort();
        resolve();
      }, 30));
    })()`),
  );
  // The first may be compiled meanwhile, or come before the trace has begun.
  return tasks.toSorted((a, b) => b - a)[3]!;
}
