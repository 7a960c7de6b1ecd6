import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json as readJson } from 'node:stream/consumers';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { signVisitor } from '../auth/visitor-tokens.ts';
import { visitorLogin } from '../domain/visitor-logins.ts';
import { createApiClient } from './support/api-client.ts';
import { violations } from './support/axe.ts';
import { launchBrowser, watchForFaults } from './support/browser.ts';
import { keepPicture, widgetOn } from './support/chat-widget.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import { startSite } from './support/site.ts';

// Visitors sign in at the site's own login in the widget, or the page says who they are. The login is a real server.

const question = 'What does a lamp cost?';

let environment: TestEnvironment;
let server: string;
let site: Awaited<ReturnType<typeof startSite>>;
let login: Server;
let browser: Browser;
let page: Page;
let chat: ReturnType<typeof widgetOn>;
let faults: readonly string[];

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  login = createServer(async (request, response) => {
    const { email, password } = (await readJson(request)) as Record<string, string>;
    const status = password === 'open sesame' ? 200 : 401;
    const body = { user: { id: 42, name: 'Ada Brandt', email } };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => login.listen(0, '127.0.0.1', resolve));
  const [api, started, launched] = await Promise.all([
    environment.startApi({ OUTBOUND_ALLOWED_RANGES: '127.0.0.1/32' }),
    startSite(),
    launchBrowser(),
    environment.startWorker(),
  ]);
  server = api.url;
  site = started;
  browser = launched;
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
  login?.close();
  await environment?.close();
});
beforeEach(async () => {
  page = await browser.newPage({ viewport: { width: 1000, height: 800 } });
  chat = widgetOn(page);
  faults = watchForFaults(page);
});
afterEach(async () => {
  // What is refused for want of a login is answered with 401, which the browser reports.
  expect(faults.filter((fault) => !/401/.test(fault))).toEqual([]);
  await page.context().close();
});

async function createProject(mode: 'none' | 'embedded_only' | 'external_api'): Promise<TestProject> {
  const project = await environment.createProject({ chatbotName: 'Orrelby', primaryColor: '#2f5d50' });
  const { port } = login.address() as AddressInfo;
  const settings = visitorLogin.parse({ auth_mode: mode, login_url: `http://127.0.0.1:${port}/login` });
  await environment.stores.visitorLogins.put(project.id, { settings, extraHeaders: {} });
  const client = createApiClient(server, project.key);
  await client.ready(await client.upload('# Prices\n\nA lamp costs 40 euros.'));
  return project;
}

async function visit({ widgetKey }: TestProject, attributes = '', language = 'en'): Promise<void> {
  site.serve(
    `<!doctype html><html lang="${language}"><head><title>Shop</title><script src="${server}/widget.js" data-api-key="${widgetKey}" ${attributes} defer></script></head><body><main><h1>Shop</h1></main></body></html>`,
  );
  await page.goto(site.url);
}
const rowsOf = ({ id }: TestProject) =>
  environment.sql`select user_id, user_name, user_email from widget_conversations where project_id = ${id}`;
const logout = () => page.evaluate('Frontdesk.logout()');

test('signs in, asks as that visitor, stays signed in over a reload, and is forgotten on logout', async () => {
  const project = await createProject('external_api');
  await visit(project);
  await chat.open();
  expect(await chat.field.isVisible()).toBe(false);
  await keepPicture(page, 'widget-sign-in');
  expect(await violations(page)).toEqual([]);
  const submit = page.getByRole('button', { name: 'Sign in', exact: true });
  await submit.click();
  await page.locator('.wrong').getByText('Please enter an e-mail address').waitFor();
  await page.getByLabel('E-mail address').fill('ada@shop.example');
  await page.getByLabel('Password').fill('nonsense');
  await submit.click();
  await page.locator('.wrong').getByText('The e-mail address or the password is wrong.').waitFor();
  await keepPicture(page, 'widget-sign-in-wrong');
  await page.getByLabel('Password').fill('open sesame');
  await page.getByLabel('Password').press('Enter');
  await page.locator('.greeting').getByText('Hello, Ada Brandt.').waitFor();
  await chat.ask(question);
  expect(await chat.answer()).toContain('40 euros');
  expect([...(await rowsOf(project))]).toEqual([
    { userId: '42', userName: 'Ada Brandt', userEmail: 'ada@shop.example' },
  ]);
  expect(await page.evaluate('JSON.stringify({ ...localStorage })')).not.toContain('sesame');

  await page.reload();
  await chat.open();
  expect(await chat.field.isVisible()).toBe(true);
  await logout();
  await page.getByLabel('Password').waitFor();
  expect(await chat.field.isVisible()).toBe(false);
  expect(await page.evaluate('JSON.stringify({ ...localStorage })')).not.toContain('Ada');
});

test('a login that ended meanwhile is asked for again; in dark Arabic, where axe finds nothing either', async () => {
  const project = await createProject('external_api');
  await visit(project, 'data-theme="dark"', 'ar');
  await chat.open();
  const signIn = async () => {
    await page.getByLabel('البريد الإلكتروني').fill('ada@shop.example');
    await page.getByLabel('كلمة المرور').fill('open sesame');
    await page.getByLabel('كلمة المرور').press('Enter');
    await chat.field.waitFor();
  };
  await signIn();
  await environment.stores.visitorLogins.replaceSecret(project.id);
  await chat.ask(question);
  await page.getByLabel('كلمة المرور').waitFor();
  await page.locator('.problem').getByText('يُرجى تسجيل الدخول أولًا.').waitFor();
  await keepPicture(page, 'widget-sign-in-dark-arabic');
  expect(await violations(page)).toEqual([]);
  await signIn();
  await page.getByRole('button', { name: 'حاول مرة أخرى' }).click();
  expect(await chat.answer()).toContain('40 euros');
});

test('a token that the page brings is believed; an expired one is an event, and identify brings another', async () => {
  const project = await createProject('embedded_only');
  const ada = { userId: '7', name: 'Ada', email: 'ada@shop.example' };
  const token = await signVisitor(ada, await environment.stores.visitorLogins.secret(project.id));
  await visit(project, 'data-user-token="nonsense" data-user-name="Ada"');
  await chat.open();
  const refused = page.evaluate(
    `new Promise((resolve) => Frontdesk.on('error', ({ code }) => resolve(code)))`,
  );
  await chat.ask(question);
  expect(await refused).toBe('VISITOR_LOGIN_REQUIRED');
  expect(await page.getByLabel('Password').count()).toBe(0);
  await page.evaluate(`Frontdesk.identify(${JSON.stringify({ name: 'Ada', token })})`);
  await page.getByRole('button', { name: 'Try again' }).click();
  expect(await chat.answer()).toContain('40 euros');
  expect([...(await rowsOf(project))]).toMatchObject([{ userId: '7', userName: 'Ada' }]);
});

test('what the page says is greeted and sent with the first question of a conversation only', async () => {
  const project = await createProject('none');
  const attributes = `data-user-id="42" data-user-name="Ada" data-user-meta='{"plan":"pro"}'`;
  await visit(project, attributes);
  await chat.open();
  await page.locator('.greeting').getByText('Hello, Ada.').waitFor();
  const bodies: unknown[] = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/v1/chat/turns')) bodies.push(request.postDataJSON().visitor);
  });
  for (let n = 0; n < 2; n += 1) {
    await chat.ask(question);
    await chat.answer();
  }
  expect(bodies).toEqual([{ userId: '42', name: 'Ada', meta: { plan: 'pro' } }, undefined]);
  expect([...(await rowsOf(project))]).toEqual([]);
});

test('data-open opens the panel until the visitor has closed it once', async () => {
  await visit(await createProject('none'), 'data-open');
  await chat.panel.waitFor();
  await page.reload();
  await chat.panel.waitFor();
  await page.keyboard.press('Escape');
  await chat.panel.waitFor({ state: 'hidden' });
  await page.reload();
  await chat.launcher.waitFor();
  // What opens by itself does so when the widget is ready.
  await page.evaluate(`new Promise((resolve) => setTimeout(resolve, 500))`);
  expect(await chat.panel.isVisible()).toBe(false);
});
