import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { signVisitor } from '../auth/visitor-tokens.ts';
import { visitorLogin } from '../domain/visitor-logins.ts';
import { newId } from '../stores/postgres/ids.ts';
import { createApiClient } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';

// Who asks in native chat calls: as a signed token proves, or only as the page says.

const question = 'What does a lamp cost?';

let environment: TestEnvironment;
let url: string;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  [{ url }] = await Promise.all([environment.startApi(), environment.startWorker()]);
});
afterAll(() => environment?.close());

async function createSite(auth_mode: 'none' | 'embedded_only' | 'external_api'): Promise<TestProject> {
  const project = await environment.createProject();
  const settings = visitorLogin.parse({ auth_mode, login_url: 'https://shop.example/login' });
  await environment.stores.visitorLogins.put(project.id, { settings, extraHeaders: {} });
  const api = createApiClient(url, project.key);
  await api.ready(await api.upload('# Prices\n\nA lamp costs 40 euros.'));
  return project;
}

const ask = (key: string, body: object = {}, headers: Record<string, string> = {}) =>
  createApiClient(url, key).call('POST', '/chat', { message: question, ...body }, headers);
const visitorOf = async ({ key }: TestProject, conversationId: string) => {
  const { json } = await createApiClient(url, key).call('GET', `/conversations/${conversationId}/messages`);
  return json.conversation.visitor;
};
const ada = { userId: '42', name: 'Ada', email: 'ada@shop.example' };

test('what the page says is kept, shown as not verified, and shown to no model', async () => {
  const project = await createSite('none');
  const visitor = { ...ada, meta: { plan_name: 'pro' } };
  const { status, json } = await ask(project.widgetKey, { visitor });
  expect(status).toBe(200);
  expect(await visitorOf(project, json.conversationId)).toEqual({ ...visitor, verified: false });
  const { page } = await environment.stores.turns.forGeneration(project.id, json.turnId);
  expect(page).toBeNull();

  const nobody = await ask(project.widgetKey);
  expect(await visitorOf(project, nobody.json.conversationId)).toBeNull();
  expect((await ask(project.widgetKey, { visitor: { name: 'x'.repeat(201) } })).json.code).toBe(
    'INVALID_REQUEST',
  );
});

test('where visitors sign in first, a key that only chats needs a good token; a server needs none', async () => {
  const project = await createSite('external_api');
  const { json: config } = await createApiClient(url, project.widgetKey).call('GET', '/v1/widget/config');
  expect(config.config.requiresLogin).toBe(true);
  const secret = await environment.stores.visitorLogins.secret(project.id);
  const refused = async (token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { 'x-visitor-token': token };
    const { status, json } = await ask(project.widgetKey, { visitor: ada }, headers);
    expect([status, json.code]).toEqual([401, 'VISITOR_LOGIN_REQUIRED']);
  };
  await refused();
  await refused('nonsense');
  await refused(await signVisitor(ada, 'another secret that is not the one of this project'));
  const expired = new SignJWT({ user_id: '42' }).setProtectedHeader({ alg: 'HS256' }).setExpirationTime(1);
  await refused(await expired.sign(new TextEncoder().encode(secret)));
  const streamed = await createApiClient(url, project.widgetKey).call('POST', '/v1/chat/turns', {
    message: question,
  });
  expect(streamed.status).toBe(401);

  const token = await signVisitor(ada, secret);
  const asked = await ask(project.widgetKey, { visitor: { name: 'Eve' } }, { 'x-visitor-token': token });
  expect(asked.status).toBe(200);
  expect(await visitorOf(project, asked.json.conversationId)).toEqual({ ...ada, meta: null, verified: true });
  expect((await ask(project.key)).status).toBe(200);
  // From a page every key only chats.
  expect((await ask(project.key, {}, { origin: 'https://shop.example' })).status).toBe(401);
});

test('where visitors sign in first, no client leads past it; with a token, each is let in', async () => {
  const project = await createSite('external_api');
  await environment.stores.hosts.set(
    project.id,
    'shop.example',
    {},
    { type: 'operator', id: null, ip: null },
  );
  const token = await signVisitor(ada, await environment.stores.visitorLogins.secret(project.id));
  const inSession = { message: question, sessionId: `s-${newId()}` };
  const origin = { origin: 'https://shop.example' };
  const doors: [string, body: object, headers?: Record<string, string>][] = [
    ['/v1/chat', inSession],
    ['/v1/chat/stream', inSession],
    ['/chat', inSession],
    ['/assistant/chat', { message: question }],
    ['/api/chatbot/chat', { message: question }, { authorization: `Bearer ${project.widgetKey}` }],
    ['/process-message', { message: question, threadId: `thread_${'a'.repeat(24)}` }, origin],
  ];
  const client = createApiClient(url, project.widgetKey);
  const statuses = (proof: Record<string, string>) =>
    Promise.all(
      doors.map(async ([path, body, headers]) => {
        const { status } = await client.call('POST', path, body, { ...headers, ...proof });
        return [path, status];
      }),
    );
  const allOf = (status: number) => doors.map(([path]) => [path, status]);
  expect(await statuses({})).toEqual(allOf(401));
  expect(await statuses({ 'x-visitor-token': 'nonsense' })).toEqual(allOf(401));
  expect([...(await environment.sql`select id from turns where project_id = ${project.id}`)]).toEqual([]);
  expect(await statuses({ 'x-visitor-token': token })).toEqual(allOf(200));
});

test('a page may bring a token of its own server, and need not', async () => {
  const project = await createSite('embedded_only');
  const token = await signVisitor(ada, await environment.stores.visitorLogins.secret(project.id));
  expect((await ask(project.widgetKey)).status).toBe(200);
  expect((await ask(project.widgetKey, {}, { 'x-visitor-token': 'nonsense' })).status).toBe(401);
  const { json } = await ask(project.widgetKey, {}, { 'x-visitor-token': token });
  expect(await visitorOf(project, json.conversationId)).toMatchObject({ ...ada, verified: true });

  // A conversation of a session's id must not become one whose history that id opens.
  const session = `s-${newId()}`;
  await ask(project.widgetKey, { sessionId: session });
  const [row] = await environment.sql<{ id: string }[]>`
    select id from conversations where session_id = ${session}`;
  await ask(project.widgetKey, { conversationId: row!.id }, { 'x-visitor-token': token });
  expect(await environment.stores.widgetConversations.withSession(session)).toEqual([]);
});

test('the widget asks who the visitor is only where a mode was set; the lead calls ask in any case', async () => {
  const config = async ({ widgetKey }: TestProject) =>
    (await createApiClient(url, widgetKey).call('GET', '/v1/widget/config')).json.config;
  const plain = await environment.createProject();
  expect(await config(plain)).toMatchObject({ leadMode: 'off', leadFields: [], requiresLogin: false });
  const started = await createApiClient(url, plain.widgetKey).call('POST', '/assistant/chat', {});
  expect(started.json.stage).toBe('awaiting_name');
  const fields = [{ key: 'phone', label: 'Phone', type: 'phone', choices: [] }];
  const asking = await environment.createProject({ leads: { mode: 'after', afterAnswers: 2, fields } });
  expect(await config(asking)).toMatchObject({ leadMode: 'after', leadAfter: 2, leadFields: fields });
});
