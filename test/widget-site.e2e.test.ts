import { readFileSync } from 'node:fs';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { violations } from './support/axe.ts';
import { launchBrowser, watchForFaults } from './support/browser.ts';
import { keepPicture, widgetOn } from './support/chat-widget.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import { measuredWork, slowDown, tasksDuring } from './support/main-thread.ts';
import { createPlayedAnswers, source } from './support/played-answers.ts';
import { startSite } from './support/site.ts';

// The widget on a customer's site, which is another origin than the server's. The test plays the model, so that it
// knows what is said and when.

const longAnswer = readFileSync(new URL('./support/long-answer.md', import.meta.url), 'utf8');
const nonce = 'c2l0ZQ';

let environment: TestEnvironment;
let project: TestProject;
let answers: ReturnType<typeof createPlayedAnswers>;
let site: Awaited<ReturnType<typeof startSite>>;
let server: string;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let chat: ReturnType<typeof widgetOn>;
let faults: readonly string[];

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  answers = createPlayedAnswers(environment, project);
  const [api, started, launched] = await Promise.all([environment.startApi(), startSite(), launchBrowser()]);
  server = api.url;
  site = started;
  browser = launched;
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
  await environment?.close();
});
beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 1000, height: 800 } });
  page = await context.newPage();
  chat = widgetOn(page);
  faults = watchForFaults(page);
});
afterEach(async () => {
  expect(faults).toEqual([]);
  await context.close();
});

const tag = (attributes = '') =>
  `<script nonce="${nonce}" src="${server}/widget.js" data-api-key="${project.widgetKey}" ${attributes} defer></script>`;
const html = (head: string, { lang = 'en', body = '<h1>Our shop</h1><p>Lamps.</p>' } = {}) =>
  `<!doctype html><html lang="${lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Shop</title>${head}</head><body><main>${body}</main></body></html>`;

async function visit(content: string, headers: Record<string, string> = {}): Promise<void> {
  site.serve(content, headers);
  await page.goto(site.url);
}

const inWidget = (selector: string) =>
  `document.querySelector('frontdesk-chat').shadowRoot.querySelector('${selector}')`;
const styleOf = (selector: string, properties: string[]) =>
  page.evaluate(`(() => {
    const style = getComputedStyle(${inWidget(selector)});
    return Object.fromEntries(${JSON.stringify(properties)}.map((name) => [name, style[name]]));
  })()`);

test('an answer in Markdown grows without being made anew, and its citations open the quoted passage', async () => {
  await visit(html(tag('data-title="Orrelby" data-primary-color="#2f5d50"')));
  await chat.open();
  await chat.ask('Tell me all about delivery');
  const turn = await answers.begin('Tell me all about delivery');
  await turn.write(
    '## Delivery\n\nWe ship to **Norway** [1].\n\n| Country | Price |\n|---|--:|\n| Norway | €19.90 |\n',
  );
  await chat.lastTurn().locator('.text td').first().waitFor();
  await page.evaluate(`
    const text = document.querySelector('frontdesk-chat').shadowRoot.querySelector('.text');
    window.before = [...text.querySelectorAll("h2, h2 ~ p, td")];`);
  await turn.write('| Sweden | €14.90 |\n\n- by post\n- by courier\n\n```js\nconst price = 19.9;\n```\n');
  await turn.write(
    '\nSee [our page](https://example.com/shipping) or [this](javascript:alert(1)). <b onclick="x()">x</b>',
  );
  await chat.lastTurn().locator('.text a').waitFor();
  await keepPicture(page, 'widget-streaming');
  await turn.finish([
    source(1, 'Shipping', 'We ship to Norway for €19.90.'),
    source(2, 'Prices', 'All prices.'),
  ]);
  await chat.answer();

  expect(await page.evaluate('before.map((node) => node.isConnected)')).toEqual([true, true, true, true]);
  expect(await chat.lastTurn().locator('.text tr').count()).toBe(3);
  expect(await chat.lastTurn().locator('.text a').getAttribute('href')).toBe('https://example.com/shipping');
  expect(await chat.lastTurn().locator('.text').textContent()).toContain('<b onclick="x()">x</b>');
  expect(await chat.lastTurn().locator('.text b').count()).toBe(0);
  await page.getByRole('button', { name: 'Source 1: Shipping' }).click();
  expect(await page.locator('details[open] blockquote').textContent()).toBe('We ship to Norway for €19.90.');
  await keepPicture(page, 'widget-markdown');
  expect(await violations(page)).toEqual([]);
});

test('stop, and what was said until then stays; another attempt begins anew', async () => {
  await visit(html(tag()));
  await chat.open();
  await chat.ask('Stop me');
  const turn = await answers.begin('Stop me');
  await turn.write('Wrong beginning');
  await page.getByText('Wrong beginning').waitFor();
  await turn.reset();
  await turn.write('The right beginning');
  await page.getByText('The right beginning').waitFor();
  expect(await chat.lastTurn().locator('.text').textContent()).toBe('The right beginning');
  const cancelled = page.waitForResponse((response) => response.url().includes('/cancel'));
  await page.getByRole('button', { name: 'Stop the answer' }).click();
  expect((await cancelled).status()).toBe(202);
  // No worker is there to hear it: the test ends the turn as the worker would.
  await turn.finish([], 'cancelled');
  expect(await chat.answer()).toBe('The right beginning');
  await page.getByText('Stopped').waitFor();
  await keepPicture(page, 'widget-stopped');
});

test('a failed question says so and can be asked again; thumbs and a comment are recorded', async () => {
  await visit(html(tag()));
  await chat.open();
  await chat.ask('Will this fail?');
  await (await answers.begin('Will this fail?')).fail('The model is not available at the moment.');
  // Why it failed is for whoever runs the site.
  await page.locator('.problem').getByText('This question could not be answered.').waitFor();
  await keepPicture(page, 'widget-failed');
  await page.getByRole('button', { name: 'Try again' }).click();
  const turn = await answers.begin('Will this fail?');
  await turn.write('No.');
  await turn.finish();
  await page.getByRole('button', { name: 'This did not help' }).click();
  await page.getByLabel('What was missing?').fill('More words.');
  await keepPicture(page, 'widget-feedback');
  await page.getByRole('button', { name: 'Send feedback' }).click();
  await page.locator('.thanks').waitFor();
  const [row] = await environment.sql`select rating, feedback from turns where id = ${turn.turnId}`;
  expect(row).toMatchObject({ rating: 'down', feedback: 'More words.' });
});

/** In pieces of measured work, which are about as long as the longest task is: only a real regression is so much longer. */
const longestTask = 4;

test('a long answer moves nothing of the page, is made only once, and leaves the page its turn', async () => {
  await page.addInitScript(`window.shifts = 0; new PerformanceObserver((list) => {
    for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) shifts += value;
  }).observe({ type: 'layout-shift', buffered: true });`);
  await visit(html(tag()));
  const warm = chat.warm();
  await chat.open();
  await warm;
  // Neither the launcher nor the panel has moved anything.
  expect(await page.evaluate('shifts')).toBe(0);
  await slowDown(page, 4);
  const work = await measuredWork(browser, page);
  await chat.ask('Say a lot');
  const turn = await answers.begin('Say a lot');
  await page.evaluate(`window.made = 0; new MutationObserver((records) => {
    for (const { addedNodes } of records) for (const node of addedNodes)
      if (node instanceof Element) made += 1 + node.querySelectorAll('*').length;
  }).observe(${inWidget('.text')}, { childList: true, subtree: true });`);
  const tasks = await tasksDuring(browser, page, async () => {
    for (const piece of longAnswer.match(/[\s\S]{1,60}/g)!) await turn.write(piece);
    await turn.finish();
    await chat.answer();
  });
  expect(tasks.length).toBeGreaterThan(100);
  expect(Math.max(...tasks)).toBeLessThan(longestTask * work);
  // What is still being written may turn out to be something else; what is complete is never made again.
  const there = await page.evaluate<number>(`${inWidget('.text')}.querySelectorAll('*').length`);
  expect(await page.evaluate<number>('made')).toBeLessThan(1.5 * there);
  // Columns of a table in the answer widen while its rows come, and nothing else.
  expect(await page.evaluate<number>('shifts')).toBeLessThan(0.01);
});

test('formatting is loaded when asked for, sent as Markdown, and shown as what it means', async () => {
  await visit(html(tag()));
  await chat.open();
  const parts = `performance.getEntriesByType('resource').filter(({ name }) => name.includes('toolbar')).length`;
  expect(await page.evaluate(parts)).toBe(0);
  await page.getByRole('button', { name: 'Formatting' }).click();
  await page.getByRole('toolbar').waitFor();
  await chat.field.pressSequentially('Is it ');
  await page.keyboard.press('Control+b');
  await page.keyboard.type('waterproof');
  await page.keyboard.press('End');
  await page.getByRole('button', { name: 'Underline' }).click();
  await page.keyboard.type('today');
  await keepPicture(page, 'widget-toolbar');
  const written = await chat.field.inputValue();
  expect(written).toBe('Is it **waterproof**<u>today</u>');
  await page.keyboard.press('Enter');
  expect(await page.locator('.question strong').textContent()).toBe('waterproof');
  expect(await page.locator('.question u').textContent()).toBe('today');
  const turn = await answers.begin(written);
  await turn.write('Yes.');
  await turn.finish();
  await chat.answer();
  expect(await violations(page)).toEqual([]);
});

test('a strict content security policy: a nonce, no inline style, no eval', async () => {
  await visit(html(tag()), {
    'content-security-policy': `default-src 'none'; script-src 'nonce-${nonce}'; connect-src ${server}; require-trusted-types-for 'script'; base-uri 'none'`,
  });
  await chat.open();
  await chat.ask('Under a policy?');
  const turn = await answers.begin('Under a policy?');
  await turn.write('**Yes**, with `code`.');
  await turn.finish([source(1, 'Policy', 'Yes.')]);
  expect(await chat.answer()).toBe('Yes, with code.');
  await keepPicture(page, 'widget-csp');
});

test('hostile styles and old scripts of the page change nothing', async () => {
  const hostile = `<style>
    * { all: unset !important; display: block !important; color: red !important; font: 40px/3 fantasy !important; letter-spacing: 1em !important; transform: rotate(3deg) !important; box-sizing: content-box !important }
    html { font-size: 3px !important } frontdesk-chat, body > * { display: none !important; opacity: 0.2 !important; filter: blur(9px) !important }
    </style><script>
    Array.prototype.each = function () {}; Array.prototype.toJSON = function () { return 'old'; }; delete Array.prototype.toJSON;
    Object.prototype.old = 1; Element.prototype.hide = function () {}; String.prototype.trim = function () { return this.replace(/^\\s+|\\s+$/g, ''); };
    window.h = window.$ = window.panel = window.chat = 'the page’s own'; </script>`;
  await visit(html(hostile + tag('data-primary-color="#2f5d50" data-title="Orrelby"')));
  await chat.open();
  await chat.ask('Are you all right?');
  const turn = await answers.begin('Are you all right?');
  await turn.write('Yes, thank you.');
  await turn.finish([source(1, 'Health', 'Yes, thank you.')]);
  expect(await chat.answer()).toBe('Yes, thank you.');
  await keepPicture(page, 'widget-hostile');
  const style = await styleOf('.question', ['fontSize', 'color', 'direction']);
  expect(style).toEqual({ fontSize: '15px', color: 'rgb(22, 24, 27)', direction: 'ltr' });
});

test('right to left, in Arabic', async () => {
  await visit(
    html(tag('data-title="أوريلبي" data-suggestions="كم تكلفة الشحن؟|هل يمكنني إرجاع المصباح؟"'), {
      lang: 'ar',
    }),
  );
  await chat.open();
  await keepPicture(page, 'widget-arabic-welcome');
  expect((await chat.launcher.boundingBox())!.x).toBeLessThan(100);
  await page.getByRole('button', { name: 'كم تكلفة الشحن؟' }).click();
  const turn = await answers.begin('كم تكلفة الشحن؟');
  await turn.write(
    'تكلفة الشحن إلى النرويج **19.90 €** وتستغرق من 5 إلى 8 أيام عمل.\n\n- الشحن العادي\n- الشحن السريع',
  );
  await turn.finish([source(1, 'الشحن', 'تكلفة الشحن إلى النرويج 19.90 €.')]);
  await chat.answer();
  await page.locator('summary').click();
  await keepPicture(page, 'widget-arabic');
  expect(await styleOf('.question', ['direction'])).toEqual({ direction: 'rtl' });
  expect(await violations(page)).toEqual([]);
});

test('axe finds nothing in light, dark and forced colours, welcomed and asked', async () => {
  // Colours that are fading in are not what anybody reads.
  await page.emulateMedia({ reducedMotion: 'reduce' });
  for (const theme of ['light', 'dark']) {
    await visit(html(tag(`data-theme="${theme}" data-primary-color="#ffcc00" data-suggestions="One?|Two?"`)));
    await page.evaluate('localStorage.clear()');
    await page.reload();
    expect(await violations(page)).toEqual([]);
    await chat.open();
    expect(await violations(page)).toEqual([]);
    await keepPicture(page, `widget-yellow-${theme}`);
  }
  await page.emulateMedia({ forcedColors: 'active', reducedMotion: 'reduce' });
  await keepPicture(page, 'widget-forced-colours');
});

test('at 200 % the whole is there, and nothing has to be scrolled sideways', async () => {
  // A window of 1280 by 800 at 200 %.
  await page.setViewportSize({ width: 640, height: 400 });
  await visit(html(tag('data-suggestions="One?|Two?|Three?"')));
  await chat.open();
  await keepPicture(page, 'widget-zoomed');
  expect(await chat.fits()).toBe(true);
  expect(await chat.field.isVisible()).toBe(true);
});

test('two widgets, a router that replaces the body, and four corners', async () => {
  await visit(
    html(
      tag('data-position="bottom-left"') + tag('data-position="bottom-left" data-primary-color="#8a4b2a"'),
    ),
  );
  await page.locator('frontdesk-chat').nth(1).waitFor({ state: 'attached' });
  const boxes = await Promise.all([0, 1].map((index) => page.locator('.launcher').nth(index).boundingBox()));
  expect(boxes[1]!.x).toBeGreaterThan(boxes[0]!.x + boxes[0]!.width);
  await page.evaluate(`document.documentElement.replaceChild(document.createElement('body'), document.body)`);
  await expect.poll(() => page.locator('frontdesk-chat').count()).toBe(2);

  for (const position of ['top-left', 'top-right', 'bottom-right']) {
    await visit(html(tag(`data-position="${position}"`)));
    await chat.open();
    const box = (await chat.panel.boundingBox())!;
    expect(box.x > 400).toBe(position.endsWith('right'));
    expect(box.y > 0 && box.y + box.height < 800).toBe(true);
  }
});

test('a key that was revoked: the visitor is told in their language, the page in the server’s words', async () => {
  await visit(html(tag().replace(project.widgetKey, 'cb_test_revoked'), { lang: 'de' }));
  await chat.open();
  const heard = page.evaluate(`new Promise((resolve) => Frontdesk.on('error', resolve))`);
  await chat.ask('Darf ich?');
  await page.locator('.problem').getByText('Dieser Chat ist für diese Seite nicht eingerichtet.').waitFor();
  expect(await heard).toEqual({
    code: 'INVALID_API_KEY',
    message: 'This API key is unknown, revoked or expired.',
  });
  await keepPicture(page, 'widget-refused');
  const errors = faults.filter((fault) => !/401|unknown, revoked or expired/.test(fault));
  expect(errors).toEqual([]);
  faults = [];
});

test('the preview shows a project as its pages will have it, and the tag for them', async () => {
  await page.goto(`${server}/widget/preview#api-key=${project.widgetKey}&title=Shop&theme=dark`);
  await page.getByRole('dialog', { name: 'Chat with Shop' }).waitFor();
  await page.getByLabel('Language').selectOption('de');
  await page.getByRole('dialog', { name: 'Chat mit Shop' }).waitFor();
  expect(await page.locator('#tag').textContent()).toBe(
    `<script src="${server}/widget.js" data-api-key="${project.widgetKey}" data-title="Shop" data-language="de" data-theme="dark" defer></script>`,
  );
  await keepPicture(page, 'widget-preview');
  expect(await violations(page)).toEqual([]);
  faults = [];
  await page.getByLabel('Key of the project').fill('cb_test_revoked');
  await page.getByLabel('Key of the project').press('Tab');
  await page.getByText('unknown, revoked or expired').waitFor();
  expect(await page.locator('frontdesk-chat').count()).toBe(0);
  // The browser reports the 401.
  faults = [];
});
