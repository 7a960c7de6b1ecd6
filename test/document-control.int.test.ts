import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';

let environment: TestEnvironment;
let project: TestProject;
let api: ReturnType<typeof createApiClient>;
let url: string;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  const [server] = await Promise.all([environment.startApi(), environment.startWorker()]);
  url = server.url;
  api = createApiClient(url, project.key);
});
afterAll(() => environment?.close());

const sections = 1_500;
const large = (name: string) =>
  Array.from(
    { length: sections },
    (_, n) => `## ${name} ${n}\n\nThe part ${name}-${n} is in stock and blue.`,
  ).join('\n\n');
const get = async (id: string) => (await api.call('GET', `/documents/${id}`)).json.document;
const order = (id: string, what: string) => api.call('POST', `/documents/${id}/${what}`);
const embedding = (id: string) =>
  eventually(async () => {
    const { progress } = await get(id);
    return progress?.step === 'embedding' && progress.done > 0 ? progress : undefined;
  });

async function chunkCounts(id: string) {
  const index = `${environment.indexPrefix}-chunks-*`;
  await environment.elasticsearch.indices.refresh({ index });
  const { count } = await environment.elasticsearch.count({ index, query: { term: { document_id: id } } });
  const [row] = await environment.sql<{ n: number }[]>`
    select count(*)::int as n from chunks where document_id = ${id}`;
  return [row!.n, count];
}

test('an ingestion is paused, goes on where it stopped, and is complete', { timeout: 120_000 }, async () => {
  const id = await api.upload(large('paused'));
  await embedding(id);
  expect((await order(id, 'pause')).status).toBe(202);
  const paused = await eventually(async () => {
    const { progress } = await get(id);
    return progress.paused ? progress : undefined;
  });
  const handle = environment.temporal.workflow.getHandle(`ingest/${id}/v1`);
  expect(await handle.query('progress')).toEqual({ step: 'embedding', paused: true, chunks: sections });
  await sleep(1_500);
  expect((await get(id)).progress.done).toBe(paused.done);
  expect((await order(id, 'resume')).status).toBe(202);
  expect(await api.ready(id, 60_000)).toMatchObject({ chunks: sections, progress: null });
  expect(await chunkCounts(id)).toEqual([sections, sections]);
  expect((await order(id, 'pause')).json.code).toBe('DOCUMENT_STATE');
});

test('an ingestion is cancelled, leaves nothing, and is run again', { timeout: 120_000 }, async () => {
  const id = await api.upload(large('cancelled'));
  await embedding(id);
  expect((await order(id, 'cancel')).status).toBe(202);
  const cancelled = await eventually(async () => {
    const document = await get(id);
    return document.status === 'cancelled' ? document : undefined;
  });
  expect(cancelled.error).toMatchObject({ code: 'INGESTION_CANCELLED', step: 'embedding' });
  await eventually(async () => ((await chunkCounts(id)).join() === '0,0' ? true : undefined));
  const [before] = await environment.sql<{ n: number }[]>`select count(*)::int as n from embeddings`;
  expect(before!.n).toBeGreaterThan(0);
  expect((await order(id, 'retry')).json.document).toMatchObject({ status: 'queued', version: 1 });
  expect(await api.ready(id, 60_000)).toMatchObject({ version: 1, chunks: sections });
  expect(await chunkCounts(id)).toEqual([sections, sections]);
  const runs = [];
  for await (const { workflowId } of environment.temporal.workflow.list({ query: `documentId = "${id}"` }))
    runs.push(workflowId);
  expect(runs.sort()).toEqual([`ingest/${id}/v1`, `ingest/${id}/v1/r2`]);
});

test('a document is followed live until it is ready', { timeout: 60_000 }, async () => {
  const id = await api.upload(large('followed'));
  const response = await fetch(`${url}/documents/${id}/events`, { headers: { 'x-api-key': project.key } });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const text = await response.text();
  const events = [...text.matchAll(/^event: document\ndata: (.*)$/gm)].map(
    ([, data]) => JSON.parse(data!).document,
  );
  expect(events.at(-1)).toMatchObject({ id, status: 'ready', chunks: sections });
  const steps = events.flatMap(({ progress }) => (progress ? [progress.step] : []));
  expect(steps).toContain('embedding');
  expect(events.some(({ progress }) => progress?.total === sections && progress.done > 0)).toBe(true);
  expect((await api.call('GET', '/documents/nope/events')).status).toBe(404);
});

test('a document that waits says for what, and until when', { timeout: 60_000 }, async () => {
  const lonely = await createTestEnvironment(inject('servers'));
  try {
    const own = await lonely.createProject();
    const [server] = await Promise.all([
      lonely.startApi(),
      lonely.startWorker({ ELASTICSEARCH_URL: 'http://127.0.0.1:1' }),
    ]);
    const client = createApiClient(server.url, own.key);
    const id = await client.upload('This waits for the search server.');
    const progress = await eventually(async () => {
      const { document } = (await client.call('GET', `/documents/${id}`)).json;
      return document.progress?.waitingUntil ? document.progress : undefined;
    });
    expect(progress).toMatchObject({ step: 'indexing', problem: expect.stringContaining('Elasticsearch') });
    expect(new Date(progress.waitingUntil).getTime()).toBeGreaterThan(Date.now() - 60_000);
    expect((await client.call('POST', `/documents/${id}/cancel`)).status).toBe(202);
    await eventually(async () => {
      const { document } = (await client.call('GET', `/documents/${id}`)).json;
      return document.status === 'cancelled' ? true : undefined;
    });
  } finally {
    await lonely.close();
  }
});
