import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';

let environment: TestEnvironment;
let project: TestProject;
let api: ReturnType<typeof createApiClient>;
let url: string;
const today = () => new Date().toISOString().slice(0, 10);

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  const [, server] = await Promise.all([environment.startWorker(), environment.startApi()]);
  url = server.url;
  api = createApiClient(url, project.key);
  await api.ready(await api.upload('# Repairs\n\nA repair takes three days and costs 40 euros.'));
});
afterAll(() => environment?.close());

test('usage and analytics tell what happened', async () => {
  const first = await api.ask('What does a repair cost?');
  expect(first.status, first.text).toBe(200);
  const { conversationId } = first.json;
  await api.ask('what does a repair COST', { conversationId });
  await api.ask('Who painted the Mona Lisa?');
  await api.call('GET', '/documents/nothing');

  const { status, json: usage, text } = await api.call('GET', '/usage');
  expect(status, text).toBe(200);
  expect(usage).toMatchObject({
    documents: { total: 1, ready: 1, processing: 0, failed: 0, chunks: 1 },
    conversations: 2,
    messages: 6,
    configFetches: 0,
  });
  const { tokens } = usage;
  expect(tokens.total).toBe(tokens.prompt + tokens.completion);
  expect(tokens.total).toBeGreaterThan(first.json.usage.totalTokens);
  expect(tokens).toMatchObject({ month: tokens.total, reserved: 0, lost: 0, limit: null });
  expect(usage.days).toHaveLength(30);
  expect(usage.days.at(-1)).toMatchObject({ date: today(), conversations: 2, messages: 6 });
  expect(usage.period).toMatchObject({ days: 30, to: today() });

  const { json: analytics } = await api.call('GET', '/analytics?days=7');
  expect(analytics).toMatchObject({
    sessions: { total: 2, active: 2, messagesPerSession: 3 },
    answers: { answered: 2, declined: 1, failed: 0, cancelled: 0, errorRate: 0 },
  });
  expect(analytics.answers.unansweredRate).toBeCloseTo(1 / 3);
  expect(analytics.answers.answerMs.p50).toBeGreaterThan(0);
  expect(analytics.answers.answerMs.p95).toBeGreaterThanOrEqual(analytics.answers.answerMs.p50);
  expect(analytics.sessions.durationSeconds.average).toBeGreaterThan(0);
  expect(analytics.commonQuestions[0]).toEqual({
    question: 'what does a repair COST',
    count: 2,
    declined: 0,
  });
  expect(analytics.commonQuestions[1]).toMatchObject({ count: 1, declined: 1 });
  expect(analytics.daily).toHaveLength(7);
});

test('calls are counted by route, failed ones too, and written within seconds', async () => {
  const counted = await eventually(async () => {
    const { json } = await api.call('GET', '/usage');
    const chat = json.endpoints.find((endpoint: { route: string }) => endpoint.route === 'POST /chat');
    return chat?.calls === 3 ? json.endpoints : undefined;
  }, 15_000);
  expect(counted).toContainEqual({ route: 'POST /chat', calls: 3, errors: 0 });
  expect(counted).toContainEqual({ route: 'POST /upload-doc', calls: 1, errors: 0 });
  const byId = counted.find(({ route }: { route: string }) => route === 'GET /documents/:documentId');
  expect(byId).toMatchObject({ errors: 1 });
});

test('an API that stops writes what it has counted', async () => {
  const other = await environment.createProject();
  const server = await environment.startApi();
  await createApiClient(server.url, other.key).call('GET', '/conversations');
  server.kill('SIGTERM');
  await server.exited;
  expect(await environment.stores.usage.endpoints(other.id, 1)).toEqual([
    { route: 'GET /conversations', calls: 1, errors: 0 },
  ]);
});

test('a project sees its own figures only, and an empty one zeros', async () => {
  const other = await environment.createProject();
  const client = createApiClient(url, other.key);
  const { json: usage } = await client.call('GET', '/usage');
  expect(usage).toMatchObject({ documents: { total: 0 }, conversations: 0, messages: 0, endpoints: [] });
  const { json: analytics } = await client.call('GET', '/analytics');
  expect(analytics).toMatchObject({
    sessions: { total: 0, active: 0, durationSeconds: { average: 0, median: 0 }, messagesPerSession: 0 },
    answers: { answered: 0, unansweredRate: 0, errorRate: 0, answerMs: { average: null } },
    commonQuestions: [],
  });
});

test('a page may not read it, and a wrong period is refused', async () => {
  const fromPage = await api.call('GET', '/usage', undefined, { origin: 'https://shop.example' });
  expect(fromPage.status).toBe(403);
  expect((await api.call('GET', '/analytics?days=0')).status).toBe(400);
});
