import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { ingestDocumentDispatch } from '../domain/flows.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import type { ModelServer } from './support/model-server.ts';
import { startOpenAiServer } from './support/openai-server.ts';
import { startTimeSkipping } from './support/time-skipping.ts';

// Providers that limit calls, on Temporal's time-skipping server: a day of refusals takes seconds.

let environment: TestEnvironment;
let project: TestProject;
let openai: ModelServer;
let flows: Awaited<ReturnType<typeof startTimeSkipping>>;
const tooMany = (headers: Record<string, string> = {}) => ({ status: 429, headers });

beforeAll(async () => {
  const servers = inject('servers');
  environment = await createTestEnvironment(servers);
  openai = await startOpenAiServer();
  const env = { OPENAI_BASE_URL: openai.url, OPENAI_API_KEY: 'key' };
  flows = await startTimeSkipping(environment, servers, env);
  project = await environment.createProject({ embeddingProvider: 'openai' });
});
afterAll(async () => {
  await flows?.close();
  await environment?.close();
  await openai?.close();
});
beforeEach(async () => {
  openai.requests.length = 0;
  openai.otherwise(() => ({ parts: [] }));
  await environment.sql`delete from embedding_paces`;
});

/** Uploads a text, and begins to ingest it. */
async function ingest(content: string) {
  const { documents, dispatches } = environment.stores;
  const document = {
    title: 'Test',
    source: 'test',
    metadata: {},
    mimeType: 'text/markdown',
    bytes: Buffer.from(content),
  };
  const { documentId } = await documents.accept(project.id, document, undefined);
  const dispatch = ingestDocumentDispatch({ projectId: project.id, documentId, version: 1, run: 1 });
  await dispatches.done(dispatch.workflowId);
  const { workflowType, workflowId, input } = dispatch;
  const handle = await flows.temporal.client.workflow.start(workflowType, {
    taskQueue: 'test',
    workflowId,
    args: [input],
  });
  return { handle, get: async () => await documents.get(project.id, documentId) };
}

test('a day of refusals ends in success, with few calls and a bounded history', {
  timeout: 120_000,
}, async () => {
  // Pauses that double up to ten minutes: so many are a little more than a day.
  const refusals = 155;
  openai.otherwise(() => (openai.requests.length <= refusals ? tooMany() : { parts: [] }));
  const { handle, get } = await ingest('We are open from ten to six.');
  await handle.result();
  expect(await get()).toMatchObject({ status: 'ready', waitingUntil: null, errorMessage: null });
  const { events } = await handle.fetchHistory();
  // By its timers: the server that skips time skips more than it was asked to where the machine is busy.
  const waited = events!.map(({ timerStartedEventAttributes: timer }) => timer?.startToFireTimeout);
  const hours = waited.reduce((sum, wait) => sum + Number(wait?.seconds ?? 0), 0) / 3_600;
  expect(hours).toBeGreaterThan(24);
  expect(hours).toBeLessThan(26);
  expect(openai.requests).toHaveLength(refusals + 1);
  expect(events!.length).toBeLessThan(3_000);
});

test('Retry-After is obeyed by a timer that says until when', async () => {
  openai.next(tooMany({ 'retry-after': '7200' }));
  const { handle } = await ingest('We are closed on Sundays.');
  await handle.result();
  const { events } = await handle.fetchHistory();
  const timers = events!.filter(({ timerStartedEventAttributes }) => timerStartedEventAttributes);
  expect(timers).toHaveLength(1);
  const [timer] = timers;
  const seconds = Number(timer!.timerStartedEventAttributes!.startToFireTimeout!.seconds);
  expect(seconds).toBeGreaterThan(7_100);
  expect(seconds).toBeLessThanOrEqual(7_200);
  const summary = Buffer.from(timer!.userMetadata!.summary!.data!).toString();
  expect(summary).toMatch(/waiting until .* UTC: openai: limits how much it is asked \(429\)/);
  expect(openai.requests).toHaveLength(2);
});

test('a refusal holds back every document of the key, and others go on', async () => {
  openai.next(tooMany({ 'retry-after': '7200' }));
  const first = await ingest('Lamps are sold on Mondays.');
  await expect.poll(first.get).toMatchObject({ waitingUntil: expect.any(Date) });
  const [pace] = await environment.sql`select blocked_until, refusals from embedding_paces`;
  expect(pace).toMatchObject({ refusals: 1, blockedUntil: (await first.get())!.waitingUntil });
  const second = await ingest('Chairs are sold on Tuesdays.');
  await expect.poll(second.get).toMatchObject({ waitingUntil: pace!.blockedUntil });
  expect(openai.requests).toHaveLength(1);
  await flows.temporal.sleep('2 hours');
  for (const { get } of [first, second]) {
    await expect.poll(get, { timeout: 10_000 }).toMatchObject({ status: 'ready' });
  }
  expect(openai.requests).toHaveLength(3);
});

test('slots of one key follow one another, whoever takes them', async () => {
  const { embeddingPaces } = environment.stores;
  const now = new Date();
  const claim = (withinMs: number) => embeddingPaces.claim('k', { now, everyMs: 100, withinMs });
  const slots = await Promise.all(Array.from({ length: 10 }, () => claim(5_000)));
  const times = slots.map(({ at }) => at.getTime() - now.getTime()).sort((a, b) => a - b);
  expect(times).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
  expect(await claim(500)).toMatchObject({ granted: false, at: new Date(now.getTime() + 1_000) });
  // What was not granted takes no slot.
  expect(await claim(1_000)).toMatchObject({ granted: true, at: new Date(now.getTime() + 1_000) });
});
