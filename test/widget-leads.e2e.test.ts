import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { newId } from '../stores/postgres/ids.ts';
import { createApiClient } from './support/api-client.ts';
import { violations } from './support/axe.ts';
import { launchBrowser, watchForFaults } from './support/browser.ts';
import { keepPicture, widgetOn } from './support/chat-widget.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import { createMailbox } from './support/mailbox.ts';
import { startSite } from './support/site.ts';

// A visitor says who they are in the widget: real mails, a real workflow, a real browser.

const mailbox = createMailbox(inject('servers').mailboxUrl);

let environment: TestEnvironment;
let project: TestProject;
let site: Awaited<ReturnType<typeof startSite>>;
let server: string;
let browser: Browser;
let page: Page;
let chat: ReturnType<typeof widgetOn>;
let faults: readonly string[];

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject({
    chatbotName: 'Orrelby',
    primaryColor: '#2f5d50',
    assistantMessageLimit: 3,
    leads: {
      mode: 'unanswered',
      consent: { version: '1', text: 'Orrelby may keep my name and address.' },
      resendSeconds: 10,
      fields: [
        { key: 'phone', label: 'Phone', type: 'phone' },
        { key: 'room', label: 'Room', type: 'choice', choices: ['Kitchen', 'Hall'] },
      ],
    },
  });
  const [, api, started, launched] = await Promise.all([
    environment.startWorker(),
    environment.startApi(),
    startSite(),
    launchBrowser(),
  ]);
  server = api.url;
  site = started;
  browser = launched;
  const client = createApiClient(server, project.key);
  await client.ready(await client.upload('# Prices\n\nA lamp costs 40 euros.'));
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
  await environment?.close();
});
beforeEach(async () => {
  page = await browser.newPage({ viewport: { width: 1000, height: 800 } });
  chat = widgetOn(page);
  faults = watchForFaults(page);
});
afterEach(async () => {
  // A wrong code is answered with 401 and a wrong field with 400, which the browser reports.
  expect(faults.filter((fault) => !/40[01]/.test(fault))).toEqual([]);
  await page.context().close();
});

/** Without `lead` the project's settings say when visitors are asked. */
async function visit(
  lead?: string,
  key = project.widgetKey,
  { lang = 'en', theme = 'light' } = {},
): Promise<void> {
  const attribute = lead === undefined ? '' : `data-lead="${lead}"`;
  site.serve(
    `<!doctype html><html lang="${lang}"><head><title>Shop</title><script src="${server}/widget.js" data-api-key="${key}" data-theme="${theme}" ${attribute} defer></script></head><body><main><h1>Shop</h1></main></body></html>`,
  );
  await page.goto(site.url);
  await chat.open();
}

async function projectWith(leads: object): Promise<TestProject> {
  const made = await environment.createProject({ leads });
  const client = createApiClient(server, made.key);
  await client.ready(await client.upload('# Prices\n\nA lamp costs 40 euros.'));
  return made;
}

const wrong = () => page.locator('.wrong').textContent();

test('before the first question: name, address, consent, code; then the chat, with what is left', async () => {
  const email = `v-${newId()}@visitors.example`;
  await visit('before');
  expect(await chat.field.isVisible()).toBe(false);
  await keepPicture(page, 'widget-lead');
  expect(await violations(page)).toEqual([]);
  const next = page.getByRole('button', { name: 'Continue' });
  await next.click();
  expect(await wrong()).toBe('Please enter your name.');
  await page.getByLabel('Your name').fill('Mira Holm');
  await page.getByLabel('E-mail address').fill('mira at home');
  await next.click();
  expect(await wrong()).toContain('such as name@example.com');
  await page.getByLabel('E-mail address').fill(email);
  await next.click();
  expect(await wrong()).toContain('Please agree first');
  await keepPicture(page, 'widget-lead-wrong');
  expect(await violations(page)).toEqual([]);
  await page.getByLabel('Orrelby may keep my name and address.').check();
  await next.click();

  const field = page.getByLabel('Code');
  await field.waitFor();
  expect(await field.getAttribute('autocomplete')).toBe('one-time-code');
  const code = await mailbox.code(email);
  await field.fill(code === '123456' ? '654321' : '123456');
  await page.locator('.wrong').getByText('That code is not right').waitFor();
  await keepPicture(page, 'widget-lead-code');
  expect(await violations(page)).toEqual([]);
  expect(await page.getByText(/New code in \d+ s/).count()).toBe(1);

  // A reload comes back to the same step.
  await page.reload();
  await chat.open();
  // As pasted from the mail, with a space in the middle; six digits need no button.
  await page.getByLabel('Code').fill(`${code.slice(0, 3)} ${code.slice(3)}`);
  await page.locator('.thanks').getByText('Thank you, Mira Holm.').waitFor();
  await chat.ask('What does a lamp cost?');
  expect(await chat.answer()).toContain('40 euros');
  await page.getByText('2 messages left').waitFor();
  await keepPicture(page, 'widget-lead-ready');
  const [row] = await environment.sql`select l.email, count(*)::int as turns from leads l
    join conversations c on c.lead_id = l.id join turns t on t.conversation_id = c.id group by 1`;
  expect(row).toEqual({ email, turns: 1 });
});

test('offered when a question could not be answered, and declined with a click', async () => {
  await visit();
  await chat.ask('Who painted the ceiling of the Sistine Chapel?');
  expect(await chat.answer()).toContain("I don't know");
  await page.getByText('Would you like us to get back to you?').waitFor();
  await keepPicture(page, 'widget-lead-offer');
  await page.getByRole('button', { name: 'Leave my details' }).click();
  await page.getByLabel('Your name').waitFor();
  await page.getByRole('button', { name: 'Not now' }).click();
  expect(await page.locator('.lead').count()).toBe(0);
  expect(await chat.field.isVisible()).toBe(true);
});

test('on request, with the keyboard alone, in dark Arabic; axe finds nothing at any step', async () => {
  const email = `k-${newId()}@visitors.example`;
  const type = async (text: string) => {
    await page.keyboard.press('Tab');
    await page.keyboard.type(text);
  };
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await visit('request', project.widgetKey, { lang: 'ar', theme: 'dark' });
  expect(await chat.field.isVisible()).toBe(true);
  await keepPicture(page, 'widget-lead-request');
  expect(await violations(page)).toEqual([]);
  await chat.tabTo('.offer button', 'Shift+Tab');
  await page.keyboard.press('Enter');
  // The form has the focus: its first field.
  await page.keyboard.type('Mira Holm');
  await type(email);
  await type('+47 22 00 00 00');
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowDown');
  await keepPicture(page, 'widget-lead-dark-arabic');
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.locator('.wrong').getByText('يُرجى الموافقة أولًا').waitFor();
  expect(await chat.focused().getAttribute('name')).toBe('consent');
  await page.keyboard.press('Space');
  await page.keyboard.press('Enter');
  await page.getByLabel('الرمز').waitFor();
  await keepPicture(page, 'widget-lead-code-dark-arabic');
  expect(await violations(page)).toEqual([]);
  await page.keyboard.type(await mailbox.code(email));
  await page.locator('.thanks').getByText('Mira Holm').waitFor();
  expect(await chat.focused().getAttribute('class')).toBe('field');
  await page.keyboard.type('What does a lamp cost?');
  await page.keyboard.press('Enter');
  expect(await chat.answer()).toContain('40 euros');
  expect(await violations(page)).toEqual([]);
  const [row] = await environment.sql`select count(*)::int as turns from leads l
    join conversations c on c.lead_id = l.id join turns t on t.conversation_id = c.id where l.email = ${email}`;
  expect(row).toEqual({ turns: 1 });
});

test('at 200 % and in forced colours the form is whole', async () => {
  // A window of 1280 by 800 at 200 %.
  await page.setViewportSize({ width: 640, height: 400 });
  await visit('before');
  await keepPicture(page, 'widget-lead-zoomed');
  expect(await chat.fits()).toBe(true);
  // What has the focus is not hidden behind the header.
  expect((await page.getByLabel('Your name').boundingBox())!.y).toBeGreaterThan(50);
  await page.getByRole('button', { name: 'Continue' }).click();
  expect(await chat.focused().getAttribute('name')).toBe('name');
  await page.setViewportSize({ width: 1000, height: 800 });
  await page.emulateMedia({ forcedColors: 'active' });
  await keepPicture(page, 'widget-lead-forced-colours');
});

test('another code is sent once the countdown is over, and only that one works', async () => {
  const email = `r-${newId()}@visitors.example`;
  await visit('before');
  await page.getByLabel('Your name').fill('Ada Brandt');
  await page.getByLabel('E-mail address').fill(email);
  await page.getByRole('checkbox').check();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText(/New code in \d+ s/).waitFor();
  const first = await mailbox.code(email);
  await page.getByRole('button', { name: 'Send a new code' }).click();
  await page.getByText('A new code is on its way.').first().waitFor();
  const second = await mailbox.code(email, 2);
  await page.getByLabel('Code').fill(first);
  await page.locator('.wrong').getByText('That code is not right').waitFor();
  await page.getByLabel('Code').fill(second);
  await page.locator('.thanks').waitFor();
});

test('what else the project wants to know is asked, what does not fit is named, and the address can be changed', async () => {
  const email = `f-${newId()}@visitors.example`;
  await visit('before');
  await page.getByLabel('Your name').fill('Mira Holm');
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Phone (optional)').fill('call me');
  await page.getByLabel('Room (optional)').selectOption('Hall');
  await page.getByRole('checkbox').check();
  const next = page.getByRole('button', { name: 'Continue' });
  await next.click();
  await page.locator('.wrong').getByText('Please check “Phone”.').waitFor();
  await keepPicture(page, 'widget-lead-fields');
  await page.getByLabel('Phone (optional)').fill('+47 22 00 00 00');
  await next.click();
  await page.getByText(email).waitFor();
  const [row] = await environment.sql`select fields from lead_sessions where email = ${email}`;
  expect(row).toEqual({ fields: { phone: '+47 22 00 00 00', room: 'Hall' } });

  // A throw-away address is refused, and nothing says that a code went there.
  await page.getByRole('button', { name: 'Change the address' }).click();
  await page.getByLabel('E-mail address').fill('mira@mailinator.com');
  await page.getByRole('checkbox').check();
  await next.click();
  await page.locator('.wrong').getByText('throw-away').waitFor();
  expect(await page.getByText('six-digit code').count()).toBe(0);
  await page.reload();
  await chat.open();
  await page.getByText(`We sent a six-digit code to ${email}.`).waitFor();

  // Another address that is taken gets a code of its own.
  const other = `o-${newId()}@visitors.example`;
  await page.getByRole('button', { name: 'Change the address' }).click();
  await page.getByLabel('E-mail address').fill(other);
  await page.getByRole('checkbox').check();
  await next.click();
  await page.getByText(other).waitFor();
  await page.getByLabel('Code').fill(await mailbox.code(other));
  await page.locator('.thanks').waitFor();
});

test('offered after as many answers as the project says; a project that never set a mode asks nobody', async () => {
  const ask = async () => {
    await chat.ask('What does a lamp cost?');
    await chat.answer();
  };
  const offer = page.getByText('Would you like us to get back to you?');
  const after = await projectWith({ mode: 'after', afterAnswers: 2 });
  await visit(undefined, after.widgetKey);
  await ask();
  expect(await offer.count()).toBe(0);
  await ask();
  await offer.waitFor();

  const plain = await projectWith({});
  await visit(undefined, plain.widgetKey);
  expect(await chat.field.isVisible()).toBe(true);
  expect(await page.locator('.lead, .offer').count()).toBe(0);
});
