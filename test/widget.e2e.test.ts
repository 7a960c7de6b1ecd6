import { readFile, rm } from 'node:fs/promises';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { demoSettings } from '../infra/demo/settings.ts';
import { createApiClient } from './support/api-client.ts';
import { launchBrowser, watchForFaults } from './support/browser.ts';
import { keepPicture, widgetOn } from './support/chat-widget.ts';
import { createDemo } from './support/demo-home.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import type { RunningProcess } from './support/processes.ts';

// The widget on the demo page as its visitors use it: a real browser, the real servers, and the keyboard.

const articles = new URL('../infra/demo/help-centre/', import.meta.url);
const question = 'What does shipping to Norway cost?';

let environment: TestEnvironment;
let home: string;
let url: string;
let worker: RunningProcess;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let chat: ReturnType<typeof widgetOn>;
let faults: readonly string[];

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  const demo = await createDemo(environment);
  home = demo.home;
  const [api, started, launched] = await Promise.all([
    environment.startApi({ FRONTDESK_HOME: home, TEMPORAL_UI_URL: inject('servers').temporalUiUrl }),
    environment.startWorker(),
    launchBrowser(),
  ]);
  url = api.url;
  worker = started;
  browser = launched;
  const client = createApiClient(url, demo.project.key);
  const ingest = async (file: string) =>
    client.ready(await client.upload(await readFile(new URL(file, articles), 'utf8')));
  await Promise.all(['shipping.md', 'opening-hours.md', 'warranty.md'].map(ingest));
});
afterAll(async () => {
  await browser?.close();
  await environment?.close();
  if (home) await rm(home, { recursive: true });
});

beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 1200, height: 860 } });
  page = await context.newPage();
  chat = widgetOn(page);
  faults = watchForFaults(page);
  await page.goto(`${url}/demo`);
});
afterEach(async () => {
  expect(faults).toEqual([]);
  await context.close();
});

async function withoutWorker(run: () => Promise<void>): Promise<void> {
  worker.kill('SIGKILL');
  await worker.exited;
  await run();
  worker = await environment.startWorker();
}

test('a first visit: nothing but the loader, then a suggestion with a streamed, cited answer', async () => {
  await chat.launcher.waitFor();
  const scripts = `performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => /panel-/.test(name))`;
  expect(await page.evaluate(scripts)).toEqual([]);
  await keepPicture(page, 'widget-launcher');
  await chat.open();
  await keepPicture(page, 'widget-welcome');

  await page.getByRole('button', { name: 'Do you ship to Norway?' }).click();
  expect(await chat.answer()).toContain('€19.90');
  await keepPicture(page, 'widget-answer');
  // Said once, when it was complete.
  expect(await chat.announced.textContent()).toContain('€19.90');

  await chat.lastTurn().locator('summary').first().click();
  const quote = await chat.lastTurn().locator('blockquote').first().textContent();
  expect(await readFile(new URL('shipping.md', articles), 'utf8')).toContain(quote);
  await keepPicture(page, 'widget-quote');
});

test('a question that the articles do not answer is declined, with what came closest', async () => {
  await chat.open();
  await chat.ask('Who painted the ceiling of the Sistine Chapel?');
  expect(await chat.answer()).toContain("I don't know");
  expect(await chat.lastTurn().locator('.sources').count()).toBe(0);
  expect(await chat.lastTurn().locator('.closest li').count()).toBeGreaterThan(0);
  const link = chat.lastTurn().locator('.contact a');
  expect(await link.getAttribute('href')).toBe(`mailto:${demoSettings.contactEmail}`);
  await keepPicture(page, 'widget-declined');
});

test('with the keyboard alone: open, ask, read the source, close', async () => {
  await chat.tabTo('.launcher');
  await page.keyboard.press('Enter');
  await chat.panel.waitFor();
  expect(await chat.focused().getAttribute('class')).toBe('field');
  await page.keyboard.type(question);
  await page.keyboard.press('Enter');
  await chat.answer();
  expect(await chat.focused().getAttribute('class')).toBe('field');
  await chat.tabTo('summary', 'Shift+Tab');
  await page.keyboard.press('Enter');
  expect(await page.locator('details[open] blockquote').textContent()).toContain('19.90');
  await page.keyboard.press('Escape');
  expect(await chat.panel.isVisible()).toBe(false);
  expect(await chat.focused().getAttribute('class')).toBe('launcher');
});

test('the conversation is there on the next page, and removed from the device on request', async () => {
  await chat.open();
  await chat.ask(question);
  const text = await chat.answer();
  await page.reload();
  await chat.open();
  expect(await chat.lastTurn().locator('.text').textContent()).toBe(text);
  await chat.ask('How long is the warranty of a lamp?');
  await page.locator('.turn.finished').nth(1).waitFor();
  const [row] = await environment.sql`select count(*)::int as turns from turns
    group by conversation_id order by count(*) desc limit 1`;
  expect(row!.turns).toBe(2);

  await page.getByRole('button', { name: 'New conversation' }).click();
  await keepPicture(page, 'widget-restart');
  await page.getByRole('button', { name: 'Remove' }).click();
  expect(await page.locator('.turn').count()).toBe(0);
  expect(await page.evaluate('JSON.stringify(localStorage)')).not.toContain(question);
});

test('a refresh in the middle of an answer: it is announced on the launcher and there when opened', async () => {
  await withoutWorker(async () => {
    await chat.open();
    await chat.ask(question);
    await page.getByText('Your question is safe').waitFor();
    await keepPicture(page, 'widget-still-working');
    await page.reload();
    await chat.launcher.waitFor();
  });
  await page.locator('.badge:visible').waitFor();
  expect(await chat.launcher.getAttribute('aria-label')).toBe('Open chat, 1 unread');
  await keepPicture(page, 'widget-unread');
  await chat.open();
  expect(await chat.answer()).toContain('€19.90');
  expect(await page.locator('.badge').isVisible()).toBe(false);
});

test('what is asked offline is sent when the connection is back', async () => {
  await chat.open();
  await context.setOffline(true);
  await chat.ask(question);
  await chat.ask('How long is the warranty of a lamp?');
  await page.getByText('Waiting for a connection').first().waitFor();
  await page.getByText('You are offline').waitFor();
  await keepPicture(page, 'widget-offline');
  await context.setOffline(false);
  await page.locator('.turn.finished').nth(1).waitFor();
  expect(await page.locator('.turn .text').allTextContents()).toEqual([
    expect.stringContaining('€19.90'),
    expect.stringContaining('three years for lamps'),
  ]);
  // Refused connections are what this test is about.
  faults = [];
});

test('two tabs are in step, and one question is asked once', async () => {
  const other = await context.newPage();
  await other.goto(`${url}/demo`);
  const second = widgetOn(other);
  await second.open();
  await chat.open();
  await chat.ask(question);
  expect(await second.answer()).toContain('€19.90');
  await second.ask('How long is the warranty of a lamp?');
  await page.locator('.turn.finished').nth(1).waitFor();
  const [row] =
    await environment.sql`select count(*)::int as turns, count(distinct conversation_id)::int as conversations
    from turns where conversation_id = (select conversation_id from turns order by created_at desc limit 1)`;
  expect(row).toEqual({ turns: 2, conversations: 1 });
});

test('fits a phone in dark colours, and keeps the focus inside', async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await chat.open();
  await keepPicture(page, 'widget-phone-welcome');
  await chat.ask(question);
  await chat.answer();
  await page.locator('summary').first().click();
  await keepPicture(page, 'widget-phone');
  expect(await chat.panel.boundingBox()).toEqual({ x: 0, y: 0, width: 360, height: 740 });
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
  for (let presses = 0; presses < 20; presses++) {
    await page.keyboard.press('Tab');
    expect(await page.locator('.panel :focus').count()).toBe(1);
  }
});

test('markup in a question and in an answer stays text', async () => {
  const markup = '<img src=x onerror="alert(1)"> <script>alert(2)</script> shipping to Norway?';
  await chat.open();
  await chat.ask(markup);
  await chat.answer();
  expect(await chat.lastTurn().locator('.question').textContent()).toContain(markup);
  expect(await page.locator('.log img, .log script').count()).toBe(0);
});

test('the JavaScript API: greet, ask, listen, destroy', async () => {
  await chat.launcher.waitFor();
  await page.evaluate(`
    window.heard = [];
    for (const name of ['open', 'message', 'answer', 'close', 'destroy'])
      Frontdesk.on(name, (detail) => heard.push([name, detail?.text ?? '']));
    SmartChat.identify({ name: 'Ada' });
    Frontdesk.sendMessage(${JSON.stringify(question)});`);
  const text = await chat.answer();
  expect(await page.locator('.greeting').textContent()).toContain('Ada');
  await page.evaluate('Frontdesk.close(); Frontdesk.destroy()');
  expect(await page.locator('frontdesk-chat').count()).toBe(0);
  expect(await page.evaluate('heard')).toEqual([
    ['open', ''],
    ['message', question],
    ['answer', expect.stringContaining(text.slice(0, 20))],
    ['close', ''],
    ['destroy', ''],
  ]);
});

test('the pages of existing sites: a visitor with a name, the address of the chat call, no widget at all', async () => {
  await page.goto(`${url}/test.html`);
  await chat.open();
  expect(await page.locator('.greeting').textContent()).toBe('Hello, Ada. What would you like to know?');

  await page.goto(`${url}/widget-test.html`);
  await chat.open();
  expect((await chat.launcher.boundingBox())!.x).toBeLessThan(100);
  expect(await chat.field.getAttribute('placeholder')).toBe('Ask about lamps…');
  await chat.ask(question);
  expect(await chat.answer()).toContain('€19.90');

  await page.goto(`${url}/headless-test.html`);
  await page.getByRole('button', { name: 'Ask' }).click();
  await page.getByText('"type":"done"').waitFor();
  expect(await page.locator('#answer').textContent()).toContain('€19.90');
});
