import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import type { ModelServer } from './support/model-server.ts';
import { startOpenAiServer } from './support/openai-server.ts';

// Rebuilding with another embedding model, by API: documents come and go meanwhile.

let environment: TestEnvironment;
let openai: ModelServer;
let url: string;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  openai = await startOpenAiServer();
  const env = { OPENAI_BASE_URL: openai.url, OPENAI_API_KEY: 'key' };
  const [api] = await Promise.all([environment.startApi(env), environment.startWorker(env)]);
  url = api.url;
});
afterAll(async () => {
  await environment?.close();
  await openai?.close();
});

async function projectWithDocument() {
  const project = await environment.createProject();
  const api = createApiClient(url, project.key);
  const documentId = await api.upload('Lamps are sold in the old mill.');
  await api.ready(documentId);
  const rebuildAt = async (id: string, status: string) =>
    await eventually(async () => {
      const { rebuild } = (await api.call('GET', `/retrieval/rebuilds/${id}`)).json;
      return rebuild.status === status ? rebuild : undefined;
    }, 40_000);
  const found = async (query: string): Promise<string[]> => {
    const { json } = await api.call('POST', '/retrieval/search', { query });
    return json.results.map(({ documentId: id }: { documentId: string }) => id);
  };
  return { project, api, documentId, rebuildAt, found };
}
const chosen = { embeddingProvider: 'openai', compare: false };

test('what comes after the switch is there after a rollback', async () => {
  const { project, api, documentId, rebuildAt, found } = await projectWithDocument();
  expect((await api.call('POST', '/retrieval/rebuilds', { embeddingProvider: 'openai' })).json.code).toBe(
    'TEST_QUESTIONS_REQUIRED',
  );
  const same = await api.call('POST', '/retrieval/rebuilds', { embeddingProvider: 'local', compare: false });
  expect(same.json).toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringMatching(/already/) });
  const begun = await api.call('POST', '/retrieval/rebuilds', chosen);
  expect(begun.status).toBe(202);
  const { id } = begun.json.rebuild;
  await rebuildAt(id, 'switched');
  openai.requests.length = 0;
  expect(await found('Where are lamps sold?')).toEqual([documentId]);
  expect(openai.requests).toHaveLength(1);

  const later = await api.upload('Chairs are sold by the river.');
  await api.ready(later);
  await api.call('DELETE', `/documents/${documentId}`);
  expect((await api.call('POST', `/retrieval/rebuilds/${id}/cancel`)).json).toMatchObject({
    code: 'REBUILD_STATE',
    message: expect.stringMatching(/this one is switched/),
  });
  expect((await api.call('POST', '/retrieval/rebuilds', chosen)).json.code).toBe('INVALID_REQUEST');
  expect((await api.call('POST', `/retrieval/rebuilds/${id}/rollback`)).status).toBe(202);
  const ended = await rebuildAt(id, 'rolled_back');
  expect(ended.message).toBe('The project uses the model from before again.');
  openai.requests.length = 0;
  expect(await found('Where are chairs sold?')).toEqual([later]);
  expect(openai.requests).toHaveLength(0);
  const [row] = await environment.sql`
    select settings->>'embeddingProvider' as provider from projects where id = ${project.id}`;
  expect(row).toEqual({ provider: 'local' });
  expect((await api.call('GET', '/retrieval/rebuilds')).json.rebuilds).toHaveLength(1);
});

test('a rebuild that waits holds no document up, and can be cancelled', async () => {
  const { api, rebuildAt, found } = await projectWithDocument();
  openai.otherwise(() => ({ status: 429, headers: { 'retry-after': '3600' } }));
  const { id } = (await api.call('POST', '/retrieval/rebuilds', chosen)).json.rebuild;
  const waiting = await eventually(async () => {
    const { rebuild } = (await api.call('GET', `/retrieval/rebuilds/${id}`)).json;
    return rebuild.waitingUntil ? rebuild : undefined;
  }, 20_000);
  expect(waiting).toMatchObject({
    status: 'filling',
    message: expect.stringMatching(/limits how much it is asked/),
  });
  const other = await api.upload('Chairs are sold by the river.');
  await api.ready(other);
  expect(await found('Where are chairs sold?')).toContain(other);
  expect((await api.call('POST', '/retrieval/rebuilds', chosen)).json.code).toBe('REBUILD_STATE');
  expect((await api.call('POST', `/retrieval/rebuilds/${id}/rollback`)).json.code).toBe('REBUILD_STATE');
  expect((await api.call('POST', `/retrieval/rebuilds/${id}/cancel`)).status).toBe(202);
  expect((await rebuildAt(id, 'cancelled')).message).toBe(
    'Stopped. The project keeps the model that it had.',
  );
  expect((await api.call('GET', '/retrieval/rebuilds/nothing')).json.code).toBe('REBUILD_NOT_FOUND');
});
