import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json as readJson } from 'node:stream/consumers';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { theOne } from '../api/compat/smartchat.ts';
import { type VisitorLogin, visitorLogin } from '../domain/visitor-logins.ts';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import { openSmartChat } from './support/smartchat-client.ts';

let environment: TestEnvironment;
let api: Awaited<ReturnType<TestEnvironment['startApi']>>;
let project: TestProject;
const question = 'When are you open?';

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  [api] = await Promise.all([
    environment.startApi({ OUTBOUND_ALLOWED_RANGES: '127.0.0.1/32' }),
    environment.startWorker(),
  ]);
  project = await createSite();
});
afterAll(() => environment?.close());

const newSession = () => `sc_${randomBytes(6).toString('hex')}`;

/** A project that knows when it is open. */
async function createSite(settings: object = {}): Promise<TestProject> {
  const created = await environment.createProject();
  await environment.stores.projects.change(
    created.id,
    { settings },
    { type: 'operator', id: null, ip: null },
  );
  const client = createApiClient(api.url, created.key);
  await client.ready(
    await client.upload('# Opening hours\n\nWe are open from ten to six, Monday to Friday.'),
  );
  return created;
}

const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  createApiClient(api.url, undefined).call(method, path, body, headers);

describe('the page', () => {
  test('reads what to show and whether to sign in, by the key in the path', async () => {
    const { widgetKey } = await createSite({ primaryColor: '#123456', welcomeMessage: 'Hi!' });
    expect((await call('GET', `/api/widget/config/${widgetKey}`)).json).toEqual({
      primary_color: '#123456',
      greeting: 'Hi!',
      position: 'bottom-right',
      logo_url: null,
    });
    expect((await call('GET', `/api/auth/config/${widgetKey}`)).json).toEqual({
      auth_mode: 'none',
      requires_login: false,
    });
  });

  test('and neither its key nor the id of its session is in the log', async () => {
    const session = newSession();
    await call('GET', `/api/widget/config/${project.key}`);
    await call('GET', `/api/chat/history/${session}`);
    const log = await eventually(async () =>
      api.output().includes('/api/chat/history/:session_id') ? api.output() : undefined,
    );
    expect(log).toContain('/api/widget/config/:key');
    for (const secret of [project.key, project.widgetKey, session]) expect(log).not.toContain(secret);
  });

  test('with an unknown key gets 404 with a detail; a site that is not allowed 403', async () => {
    for (const path of ['/api/widget/config/nope', '/api/auth/config/nope']) {
      const answer = await call('GET', path);
      expect([answer.status, answer.json]).toEqual([404, { detail: expect.any(String) }]);
    }
    const { widgetKey } = await createSite({ allowedDomains: ['shop.example'] });
    const from = (origin: string) => call('GET', `/api/widget/config/${widgetKey}`, undefined, { origin });
    expect((await from('https://evil.example')).status).toBe(403);
    expect((await from('https://shop.example')).status).toBe(200);
  });
});

describe('the socket', () => {
  test('answers many messages in chunks, and history has them all', async () => {
    const session = newSession();
    const chat = await openSmartChat(api.url, session);
    for (let n = 0; n < 2; n += 1) {
      const { text, chunks, end } = await chat.ask({ message: question, api_key: project.widgetKey });
      expect(text).toContain('ten to six');
      expect(chunks).toBeGreaterThan(0);
      expect(end).toEqual({ type: 'done' });
    }
    chat.close();
    const { messages } = (await call('GET', `/api/chat/history/${session}`)).json;
    expect(messages.map(({ role }: { role: string }) => role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
    ]);
    expect(messages[0]).toEqual({
      id: expect.any(String),
      role: 'user',
      content: question,
      created_at: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect(new Set(messages.map(({ id }: { id: string }) => id)).size).toBe(4);
  });

  test('stays open after every error', async () => {
    const chat = await openSmartChat(api.url, newSession());
    const refused = async (payload: unknown) => {
      const { end, chunks } = await chat.ask(payload);
      expect([end.type, typeof end.message, chunks]).toEqual(['error', 'string', 0]);
    };
    await refused({ message: '', api_key: project.widgetKey });
    await refused({ message: ' \n ', api_key: project.widgetKey });
    await refused({ message: 'x'.repeat(8_001), api_key: project.widgetKey });
    await refused({ message: 7, api_key: project.widgetKey });
    await refused({ message: 'x', api_key: 'nope' });
    await refused({ message: 'x' });
    await refused('{"message":');
    await refused('[]');
    const nul = await chat.ask({ message: `${question}\0`, api_key: project.widgetKey });
    expect(nul.end.type).toBe('done');
    expect((await chat.ask({ message: question, api_key: project.widgetKey })).end.type).toBe('done');
    expect(chat.connections()).toBe(1);
    chat.close();
  });

  test('answers messages that come at once one after the other, each with its own end', async () => {
    const chat = await openSmartChat(api.url, newSession());
    for (const message of [question, '', question]) chat.send({ message, api_key: project.widgetKey });
    const answers = await chat.answers(3);
    expect(answers.map(({ end }) => end.type)).toEqual(['done', 'error', 'done']);
    for (const answer of [answers[0]!, answers[2]!]) expect(answer.text).toContain('ten to six');
    chat.close();
  });

  test('is opened again after a break, also after a restart of the server, and the session goes on', async () => {
    const session = newSession();
    const own = await environment.startApi();
    const chat = await openSmartChat(own.url, session);
    await chat.ask({ message: question, api_key: project.widgetKey });
    chat.terminate();
    await chat.answers(0);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await chat.opened();
    await chat.ask({ message: question, api_key: project.widgetKey });
    expect(chat.connections()).toBe(2);

    own.kill('SIGTERM');
    expect(await own.exited).toBe(0);
    await environment.startApi({ PORT: new URL(own.url).port });
    await chat.opened();
    await chat.ask({ message: question, api_key: project.widgetKey });
    chat.close();
    expect((await call('GET', `/api/chat/history/${session}`)).json.messages).toHaveLength(6);
  });

  test('a page of a site that is not allowed is told so', async () => {
    const { widgetKey } = await createSite({ allowedDomains: ['shop.example'] });
    const chat = await openSmartChat(api.url, newSession(), 'https://evil.example');
    expect((await chat.ask({ message: question, api_key: widgetKey })).end.type).toBe('error');
    chat.close();
  });
});

describe('history', () => {
  test('of an unknown session, and of other clients’ conversations, is empty', async () => {
    expect((await call('GET', `/api/chat/history/${newSession()}`)).json).toEqual({ messages: [] });
    const sessionId = newSession();
    await createApiClient(api.url, project.key).call('POST', '/v1/chat', { sessionId, message: question });
    expect((await call('GET', `/api/chat/history/${sessionId}`)).json).toEqual({ messages: [] });
  });

  test('of an id that two sites have is the one of the page, or empty', async () => {
    const sites = [
      await createSite({ allowedDomains: ['one.example'] }),
      await createSite({ allowedDomains: ['two.example'] }),
    ];
    const session = newSession();
    for (const [n, { widgetKey }] of sites.entries()) {
      const chat = await openSmartChat(api.url, session);
      await chat.ask({ message: `${question} ${n}`, api_key: widgetKey });
      chat.close();
    }
    const from = async (origin: string | undefined) => {
      const headers: Record<string, string> = origin === undefined ? {} : { origin };
      const { messages } = (await call('GET', `/api/chat/history/${session}`, undefined, headers)).json;
      return messages[0]?.content;
    };
    expect(await from('https://one.example')).toBe(`${question} 0`);
    expect(await from('https://www.two.example')).toBe(`${question} 1`);
    expect(await from('https://evil.example')).toBeUndefined();
    expect(await from(undefined)).toBeUndefined();
    const open = { projectId: 'p', conversationId: 'c', allowedDomains: [], allowLocalhost: false };
    expect(theOne([open, open], 'https://any.example', [])).toBeUndefined();
    expect(theOne([open], 'https://any.example', [])).toBe(open);
  });
});

describe('signing in', () => {
  /** A site's own login, which knows one visitor. */
  let login: Server;
  let loginUrl: string;
  const seen: {
    method: string | undefined;
    headers: Record<string, unknown>;
    body: Record<string, unknown>;
  }[] = [];

  beforeAll(async () => {
    login = createServer(async (request, response) => {
      const body = (await readJson(request)) as Record<string, unknown>;
      seen.push({ method: request.method, headers: request.headers, body });
      const answer = (status: number, value: unknown) =>
        response.writeHead(status).end(JSON.stringify(value));
      if (request.url === '/broken') return answer(500, {});
      if (request.url === '/page') return response.end('<html>');
      if (request.url === '/moved') return response.writeHead(307, { location: '/login' }).end();
      if (body.secret !== 'open sesame') return answer(401, { error: 'no' });
      answer(200, { data: { users: [{ id: 42, mail: 'ada@example.com', full: 'Ada' }] }, token: 'theirs' });
    });
    await new Promise<void>((resolve) => login.listen(0, '127.0.0.1', resolve));
    loginUrl = `http://127.0.0.1:${(login.address() as AddressInfo).port}`;
  });
  afterAll(() => login.close());

  async function siteWithLogin(change: Partial<VisitorLogin> = {}): Promise<TestProject> {
    const site = await createSite();
    const settings = visitorLogin.parse({
      auth_mode: 'external_api',
      login_url: `${loginUrl}/login`,
      email_field: 'login',
      password_field: 'secret',
      response_user_id_path: 'data.users.0.id',
      response_name_path: 'data.users.0.full',
      response_email_path: 'data.users.0.mail',
      ...change,
    });
    const extraHeaders = { 'x-site-key': 'shared' };
    await environment.stores.visitorLogins.put(site.id, { settings, extraHeaders });
    return site;
  }
  const signIn = (key: string, password = 'open sesame', email = 'ada@example.com') =>
    call('POST', `/api/auth/login/${key}`, { email, password });
  const nobody = { token: null, user_id: null, user_name: null, user_email: null };

  test('goes to the site’s own login and gives a token for a day, which opens the chat', async () => {
    const site = await siteWithLogin();
    expect((await call('GET', `/api/auth/config/${site.widgetKey}`)).json).toEqual({
      auth_mode: 'external_api',
      requires_login: true,
    });
    const { json } = await signIn(site.widgetKey);
    expect(json).toEqual({
      success: true,
      token: expect.any(String),
      user_id: '42',
      user_name: 'Ada',
      user_email: 'ada@example.com',
      error: null,
    });
    expect(seen.at(-1)).toMatchObject({
      method: 'POST',
      body: { login: 'ada@example.com', secret: 'open sesame' },
      headers: { 'x-site-key': 'shared' },
    });
    const claims = JSON.parse(Buffer.from(json.token.split('.')[1], 'base64url').toString());
    expect(claims.exp - claims.iat).toBe(24 * 60 * 60);
    const verified = await call('POST', `/api/auth/verify/${site.widgetKey}`, { token: json.token });
    expect(verified.json).toEqual(json);

    const session = newSession();
    const chat = await openSmartChat(api.url, session);
    const ask = (user_token?: string) => chat.ask({ message: question, api_key: site.widgetKey, user_token });
    expect((await ask()).end).toEqual({ type: 'error', message: 'Sign in first.' });
    expect((await ask('nonsense')).end.type).toBe('error');
    expect((await ask(json.token)).end.type).toBe('done');
    chat.close();
    const [row] = await environment.sql`
      select w.user_id, w.user_name, w.user_email from widget_conversations w
      join conversations c on c.id = w.conversation_id where c.session_id = ${session}`;
    expect(row).toEqual({ userId: '42', userName: 'Ada', userEmail: 'ada@example.com' });
  });

  test('that is refused or fails is 200 with a reason', async () => {
    const refused = async (change: Partial<VisitorLogin>, password?: string) => {
      const { status, json } = await signIn((await siteWithLogin(change)).widgetKey, password);
      expect([status, json]).toEqual([200, { success: false, ...nobody, error: expect.any(String) }]);
      return json.error;
    };
    expect(await refused({}, 'wrong')).toMatch(/wrong/);
    const away = /cannot be reached/;
    expect(await refused({ login_url: `${loginUrl}/broken` })).toMatch(away);
    expect(await refused({ login_url: `${loginUrl}/page` })).toMatch(away);
    expect(await refused({ login_url: `${loginUrl}/moved` })).toMatch(away);
    expect(await refused({ login_url: 'http://10.0.0.1/login' })).toMatch(away);
    expect(await refused({ response_user_id_path: 'data.nobody.id' })).toMatch(away);
    expect(await refused({ auth_mode: 'none' })).toMatch(/no login/);
    expect(api.output()).not.toContain('open sesame');
    expect(api.output()).not.toContain('ada@example.com');
  });

  test('is slowed down after ten attempts', async () => {
    const { widgetKey } = await siteWithLogin();
    for (let n = 0; n < 10; n += 1) await signIn(widgetKey, 'wrong', 'bob@example.com');
    expect((await signIn(widgetKey, 'open sesame', 'bob@example.com')).json.error).toMatch(/Too many/);
    expect((await signIn(widgetKey)).json.success).toBe(true);
  });

  test('a token of another site, an old one and one without an end are refused', async () => {
    const site = await siteWithLogin();
    const other = await siteWithLogin();
    const secret = new TextEncoder().encode(await environment.stores.visitorLogins.secret(site.id));
    const signed = (token: SignJWT) => token.setProtectedHeader({ alg: 'HS256' }).sign(secret);
    const claims = () => new SignJWT({ sub: '7', name: 'Bo' });
    const verify = async (token: string) =>
      (await call('POST', `/api/auth/verify/${site.widgetKey}`, { token })).json;
    // What the site signs for itself, with the registered names of claims.
    expect(await verify(await signed(claims().setExpirationTime('1h')))).toMatchObject({
      success: true,
      user_id: '7',
      user_name: 'Bo',
    });
    expect((await verify(await signed(claims()))).success).toBe(false);
    expect((await verify(await signed(claims().setExpirationTime(1)))).success).toBe(false);
    expect((await verify((await signIn(other.widgetKey)).json.token)).success).toBe(false);
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`;
    expect((await verify(unsigned)).success).toBe(false);
    const { token } = (await signIn(site.widgetKey)).json;
    await environment.stores.visitorLogins.replaceSecret(site.id);
    expect((await verify(token)).success).toBe(false);
  });

  test('an embedded token is for servers: not with a page’s key, and not from a page', async () => {
    const { key, widgetKey, id } = await siteWithLogin({ auth_mode: 'embedded_only' });
    const path = (given: string) =>
      `/api/auth/create-embedded-token/${given}?user_id=9&user_name=Cy&user_email=cy%40example.com`;
    const { json } = await call('POST', path(key));
    const verified = await call('POST', `/api/auth/verify/${widgetKey}`, { token: json.token });
    expect(verified.json).toMatchObject({ success: true, user_id: '9', user_email: 'cy@example.com' });
    expect((await call('POST', path(widgetKey))).status).toBe(403);
    expect((await call('POST', path(key), undefined, { origin: 'https://shop.example' })).status).toBe(403);
    expect((await call('POST', `/api/auth/create-embedded-token/${key}`)).json).toEqual({
      detail: expect.stringContaining('user_id'),
    });
    // Without a token anybody may ask, as nobody.
    const session = newSession();
    const chat = await openSmartChat(api.url, session);
    expect((await chat.ask({ message: question, api_key: widgetKey })).end.type).toBe('done');
    const signed = { message: question, api_key: widgetKey, user_token: json.token };
    expect((await chat.ask(signed)).end.type).toBe('done');
    chat.close();
    const rows = await environment.sql`select user_id from widget_conversations where project_id = ${id}`;
    expect(rows).toMatchObject([{ userId: '9' }]);
  });
});
