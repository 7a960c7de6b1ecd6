import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { readConfig } from '../config.ts';
import { createApiClient } from './support/api-client.ts';
import { launchBrowser, watchForFaults } from './support/browser.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import type { RunningProcess } from './support/processes.ts';

// The demo page as its visitors use it: a real browser, the real servers, and the keyboard.

const articles = new URL('../infra/demo/help-centre/', import.meta.url);
const screenshots = join(readConfig().FRONTDESK_HOME, 'screenshots');

let environment: TestEnvironment;
let home: string;
let url: string;
let worker: RunningProcess;
let browser: Browser;
let page: Page;
let faults: readonly string[];

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  const project = await environment.createProject();
  home = await homeOf({ projectId: project.id, apiKey: project.key, widgetKey: project.widgetKey });
  const [api, started] = await Promise.all([
    environment.startApi({ FRONTDESK_HOME: home, TEMPORAL_UI_URL: inject('servers').temporalUiUrl }),
    environment.startWorker(),
    mkdir(screenshots, { recursive: true }),
  ]);
  url = api.url;
  worker = started;
  const client = createApiClient(url, project.key);
  const ingest = async (file: string) =>
    client.ready(await client.upload(await readFile(new URL(file, articles), 'utf8')));
  await Promise.all([...['shipping.md', 'opening-hours.md', 'warranty.md'].map(ingest), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await environment?.close();
  if (home) await rm(home, { recursive: true });
});

beforeEach(async () => {
  page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  faults = watchForFaults(page);
  await page.goto(`${url}/demo`);
});
afterEach(async () => {
  expect(faults).toEqual([]);
  await page.close();
});

async function launch(): Promise<void> {
  browser = await launchBrowser();
}

/** A FRONTDESK_HOME with the keys of this test's project; the models are the ones that are there already. */
async function homeOf(keys: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'frontdesk-demo-'));
  await symlink(join(readConfig().FRONTDESK_HOME, 'models'), join(folder, 'models'));
  await writeFile(join(folder, 'demo-keys.json'), JSON.stringify(keys));
  return folder;
}

const screenshot = (name: string) => page.screenshot({ path: join(screenshots, `${name}.png`) });
const focused = () => page.locator(':focus');
const lastTurn = () => page.locator('.turn').last();

/** Presses the key until the focus is on what the selector finds. */
async function tabTo(selector: string, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  for (let presses = 0; presses < 25; presses++) {
    await page.keyboard.press(key);
    if ((await page.locator(`${selector}:focus`).count()) > 0) return;
  }
  throw new Error(`${key} does not reach ${selector}`);
}

/** Types a question and sends it with Enter. The focus stays in the field. */
async function ask(question: string): Promise<void> {
  if (!(await page.locator('#question:focus').count())) await tabTo('#question');
  await page.keyboard.type(question);
  await page.keyboard.press('Enter');
}

/** The text of the last answer once it is complete. */
async function answerText(): Promise<string | null> {
  await lastTurn().locator('.answer:not(.streaming)').waitFor();
  return await lastTurn().locator('.answer-text').textContent();
}

test('a question is answered while the visitor watches, with the source and its quote', async () => {
  await page.evaluate(`
    var seen = [];
    new MutationObserver(() => {
      const text = document.querySelector('.answer.streaming .answer-text')?.textContent;
      if (text && text !== seen.at(-1)) seen.push(text);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });`);

  await ask('What does shipping to Norway cost?');
  const text = await answerText();
  expect(text).toContain('€19.90');
  // The first words came before the rest.
  const seen = await page.evaluate<string[]>('seen');
  expect(seen.length).toBeGreaterThan(1);
  expect(text?.startsWith(seen[0]!)).toBe(true);
  expect(await page.locator('#announcer').textContent()).toBe(text);
  expect(await focused().getAttribute('id')).toBe('question');

  await tabTo('.source summary', 'Shift+Tab');
  expect(await focused().textContent()).toContain('Shipping and delivery');
  await page.keyboard.press('Enter');
  const quote = await page.locator('.source[open] blockquote').first().textContent();
  expect(await readFile(new URL('shipping.md', articles), 'utf8')).toContain(quote);
  expect(quote).toContain('19.90');

  const history = await lastTurn().locator('.history a').getAttribute('href');
  expect(history).toMatch(/^http.*\/workflows\/turn%2F[0-9a-f-]{36}$/);
  await screenshot('demo-answer');
});

test('a question that the articles do not answer is declined, with what came closest', async () => {
  await ask('Who painted the ceiling of the Sistine Chapel?');
  expect(await lastTurn().locator('.notice').textContent()).toContain("I don't know");
  expect(await lastTurn().locator('.source').count()).toBe(0);
  expect(await lastTurn().locator('.notice li').count()).toBeGreaterThan(0);
  await screenshot('demo-declined');
});

test('a suggestion is asked with Enter, and the conversation survives a reload', async () => {
  await tabTo('.suggestion');
  const suggestion = await focused().textContent();
  await page.keyboard.press('Enter');
  const text = await answerText();
  expect(text).toContain('10:00 to 18:00');

  await page.reload();
  expect(await lastTurn().locator('.question').textContent()).toBe(suggestion);
  expect(await lastTurn().locator('.answer-text').textContent()).toBe(text);
  await ask('How long is the warranty of a lamp?');
  expect(await answerText()).toContain('three years for lamps');
  const [row] = await environment.sql`select max(position)::int as position, count(*)::int as turns
    from turns group by conversation_id order by count(*) desc limit 1`;
  expect(row!.turns).toBe(2);

  await page.locator('#new-conversation').focus();
  await page.keyboard.press('Enter');
  expect(await page.locator('.turn').count()).toBe(0);
});

test('without a worker the visitor is told, and answered once there is one', async () => {
  worker.kill('SIGKILL');
  await worker.exited;
  await ask('What does shipping to Norway cost?');
  await page.getByText('Your question is safe').waitFor();
  await screenshot('demo-no-worker');
  worker = await environment.startWorker();
  expect(await answerText()).toContain('€19.90');
});

test('markup in a question stays text', async () => {
  const markup = '<img src=x onerror="alert(1)"> <script>alert(2)</script> shipping to Norway?';
  await ask(markup);
  await answerText();
  expect(await lastTurn().locator('.question').textContent()).toBe(markup);
  expect(await page.locator('.log img, .log script').count()).toBe(0);
});

test('fits a phone, in dark colours as well', async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await ask('What does shipping to Norway cost?');
  await answerText();
  await page.locator('.source summary').first().click();
  const width = await page.evaluate<number>('document.documentElement.scrollWidth');
  expect(width).toBe(360);
  await screenshot('demo-phone-dark');
});
