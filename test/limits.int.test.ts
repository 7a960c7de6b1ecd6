import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type Answer, createApiClient } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';

let environment: TestEnvironment;
/** Three processes, as behind a load balancer. */
let urls: string[];

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  const limits = {
    RATE_LIMIT_MAX_REQUESTS: '40',
    RATE_LIMIT_VISITOR_REQUESTS: '10',
    RATE_LIMIT_SESSION_REQUESTS: '5',
    TRUST_PROXY: 'true',
  };
  urls = (await Promise.all([1, 2, 3].map(() => environment.startApi(limits)))).map(({ url }) => url);
});
afterAll(() => environment?.close());

/** Calls the three processes in turn, all at once. */
async function burst(
  times: number,
  key: string | undefined,
  call: (api: ReturnType<typeof createApiClient>, n: number) => Promise<Answer>,
): Promise<Answer[]> {
  const apis = urls.map((url) => createApiClient(url, key));
  return await Promise.all(Array.from({ length: times }, (_, n) => call(apis[n % apis.length]!, n)));
}

const statuses = (answers: readonly Answer[]) =>
  Object.fromEntries(
    [...Map.groupBy(answers, ({ status }) => status)].map(([status, list]) => [status, list.length]),
  );

test('a key gets exactly its calls from three processes, and is told when it may go on', async () => {
  const { key } = await environment.createProject();
  const answers = await burst(120, key, (api) => api.call('GET', '/documents'));
  expect(statuses(answers)).toEqual({ 200: 40, 429: 80 });

  const allowed = answers.filter(({ status }) => status === 200);
  const remaining = allowed.map(({ headers }) => Number(headers.get('ratelimit-remaining')));
  expect(remaining.sort((a, b) => b - a)).toEqual(Array.from({ length: 40 }, (_, n) => 39 - n));
  const refused = answers.find(({ status }) => status === 429)!;
  expect(refused.json).toMatchObject({
    code: 'RATE_LIMIT_EXCEEDED',
    error: 'RATE_LIMIT_EXCEEDED',
    details: { limit: 'key' },
  });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
  expect(refused.headers.get('ratelimit-policy')).toBe('"key";q=40;w=60');
  expect(refused.headers.get('ratelimit')).toMatch(/^"key";r=0;t=\d+$/);
  expect(refused.headers.get('ratelimit-limit')).toBe('40');
});

test('another key is counted apart, and health checks are not counted', async () => {
  const { key } = await environment.createProject();
  expect(statuses(await burst(10, key, (api) => api.call('GET', '/documents')))).toEqual({ 200: 10 });
  expect(statuses(await burst(90, undefined, (api) => api.call('GET', '/health')))).toEqual({ 200: 90 });
});

test('a window that has ended begins anew', async () => {
  const limit = { name: 'short', points: 3, windowMs: 300 };
  const take = () => environment.stores.limits.take(limit, 'someone');
  const first = await Promise.all([take(), take(), take(), take(), take()]);
  expect(first.filter(({ allowed }) => allowed)).toHaveLength(3);
  await new Promise((resolve) => setTimeout(resolve, 350));
  expect((await take()).allowed).toBe(true);
});

test('one visitor of a page does not use up the others’ calls', async () => {
  const { widgetKey } = await environment.createProject();
  const ask = (address: string) => (api: ReturnType<typeof createApiClient>) =>
    api.call('POST', '/chat', {}, { origin: 'https://shop.example', 'x-forwarded-for': address });
  // The empty body is refused after it was counted.
  expect(statuses(await burst(15, widgetKey, ask('192.0.2.1')))).toEqual({ 400: 10, 429: 5 });
  expect(statuses(await burst(5, widgetKey, ask('192.0.2.2')))).toEqual({ 400: 5 });
});

test('messages of one conversation', async () => {
  const project = await environment.createProject();
  const { conversationId } = await environment.stores.turns.accept(
    project.id,
    { message: 'x', conversation: 'new' },
    undefined,
  );
  // Nobody answers here: the stream begins once the message is accepted.
  const ask = async (url: string) => {
    const gone = new AbortController();
    const response = await fetch(`${url}/v1/chat/turns`, {
      method: 'POST',
      headers: { 'x-api-key': project.key, 'content-type': 'application/json' },
      body: JSON.stringify({ message: 'x', conversationId }),
      signal: gone.signal,
    });
    gone.abort();
    return response.status;
  };
  const answers = await Promise.all(Array.from({ length: 9 }, (_, n) => ask(urls[n % 3]!)));
  expect(answers.filter((status) => status === 200)).toHaveLength(5);
  expect(answers.filter((status) => status === 429)).toHaveLength(4);
});

test('guessing at keys is limited by address; a known key works from there', async () => {
  const { key } = await environment.createProject();
  const from = { 'x-forwarded-for': '192.0.2.9' };
  const guesses = await burst(60, 'cb_live_guess', (api) => api.call('GET', '/documents', undefined, from));
  expect(statuses(guesses)).toEqual({ 401: 40, 429: 20 });
  const known = await createApiClient(urls[0]!, key).call('GET', '/documents', undefined, from);
  expect(known.status).toBe(200);
});

test('neither keys nor addresses stand in the table', async () => {
  const { key } = await environment.createProject();
  await createApiClient(urls[0]!, key).call('GET', '/documents');
  const rows = await environment.sql<{ key: string }[]>`select key from rate_limits`;
  expect(rows.length).toBeGreaterThan(0);
  for (const row of rows) expect(row.key).toMatch(/^(key|address|visitor|session|short):[\w-]+$/);
});
