import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { type Dispatch, ingestDocumentDispatch } from '../domain/flows.ts';
import { localEmbeddingModel } from '../domain/models.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import type { ModelServer } from './support/model-server.ts';
import { startOpenAiServer } from './support/openai-server.ts';
import { startTimeSkipping } from './support/time-skipping.ts';

// Moving a project to another embedding model, on Temporal's time-skipping server: days take seconds.

let environment: TestEnvironment;
let openai: ModelServer;
let flows: Awaited<ReturnType<typeof startTimeSkipping>>;
const toModel = { provider: 'openai', model: 'text-embedding-3-small', dimensions: 1536 } as const;
const actor = { type: 'system', id: null, ip: null } as const;

beforeAll(async () => {
  const servers = inject('servers');
  environment = await createTestEnvironment(servers);
  openai = await startOpenAiServer();
  flows = await startTimeSkipping(environment, servers, {
    OPENAI_BASE_URL: openai.url,
    OPENAI_API_KEY: 'key',
  });
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

async function start({ workflowType, workflowId, input }: Dispatch) {
  await environment.stores.dispatches.done(workflowId);
  return await flows.temporal.client.workflow.start(workflowType, {
    taskQueue: 'test',
    workflowId,
    args: [input],
  });
}

const articles = [
  'Refunds take two weeks.',
  'Parcels to Norway arrive within four days.',
  'The lamp workshop opens at ten in the morning.',
  'Gift cards are valid for three years.',
  'Chairs are made of oak and of beech.',
  'The museum shows paintings of the old masters.',
  'Our newsletter comes once a month.',
  'Tables are delivered by two people.',
];

/** A project with these documents and one test question about the first of them. */
async function projectAsking(question: string, contents: readonly string[] = articles) {
  const { id: projectId } = await environment.createProject();
  const { documents, evaluations } = environment.stores;
  const ids: string[] = [];
  // One after the other: the server's time stands still while one of them runs.
  for (const [n, content] of contents.entries()) {
    const document = {
      title: `Article ${n}`,
      source: 'test',
      metadata: {},
      mimeType: 'text/markdown',
      bytes: Buffer.from(content),
    };
    const { documentId } = await documents.accept(projectId, document, undefined);
    const handle = await start(ingestDocumentDispatch({ projectId, documentId, version: 1, run: 1 }));
    await handle.result();
    ids.push(documentId);
  }
  await evaluations.addQuestion(projectId, { question, expectedDocuments: [ids[0]!] });
  return { projectId, ids };
}

async function rebuild(projectId: string, tolerance: number | null = 0) {
  const { rebuilds } = environment.stores;
  const { rebuildId, dispatch } = await rebuilds.begin(projectId, { model: toModel, tolerance }, actor);
  const handle = await start(dispatch);
  return { handle, get: async () => (await rebuilds.get(projectId, rebuildId))! };
}

/** How many vectors of each model a project has in PostgreSQL, and how many chunks in each index. */
async function vectorsOf(projectId: string): Promise<Record<string, number>> {
  const rows = await environment.sql<{ model: string; n: number }[]>`
    select model, count(*)::int as n from embeddings where project_id = ${projectId} group by 1`;
  const counts = Object.fromEntries(rows.map(({ model, n }) => [model, n]));
  const { elasticsearch, indexPrefix } = environment;
  const index = `${indexPrefix}-chunks-*`;
  await elasticsearch.indices.refresh({ index });
  for (const name of Object.keys(await elasticsearch.indices.get({ index }))) {
    const query = { term: { project_id: projectId } };
    counts[name.slice(indexPrefix.length)] = (await elasticsearch.count({ index: name, query })).count;
  }
  return counts;
}
const modelOf = async (projectId: string) =>
  (await environment.stores.projects.access(projectId))!.settings.embeddingModel;

test('switches, keeps the old vectors for a day, and then removes them', { timeout: 90_000 }, async () => {
  const { projectId } = await projectAsking('How long do refunds take?');
  const began = await flows.temporal.currentTimeMs();
  const { handle, get } = await rebuild(projectId);
  expect(await handle.result()).toMatchObject({ status: 'done' });
  expect(await get()).toMatchObject({
    status: 'done',
    recallBefore: 1,
    recallAfter: 1,
    doneDocuments: articles.length,
    totalDocuments: articles.length,
    message: 'The project uses the new model.',
    rollbackUntil: expect.any(Date),
  });
  expect((await flows.temporal.currentTimeMs()) - began).toBeGreaterThan(24 * 60 * 60 * 1000);
  expect(await modelOf(projectId)).toBe(toModel.model);
  expect(await vectorsOf(projectId)).toEqual({
    [toModel.model]: articles.length,
    '-chunks-text-embedding-3-small-1536': articles.length,
    '-chunks-all-minilm-l6-v2-q-384': 0,
  });
});

test('keeps the model where recall falls, and says so', { timeout: 90_000 }, async () => {
  // Without a word of the article: only a model that knows what words mean finds it.
  const { projectId } = await projectAsking('Can I be reimbursed?');
  const { handle, get } = await rebuild(projectId);
  expect(await handle.result()).toMatchObject({ status: 'kept' });
  const ended = await get();
  expect(ended).toMatchObject({ recallBefore: 1, recallAfter: 0, switchedAt: null });
  expect(ended.message).toBe(
    'The new model found 0 % of the expected documents, the one from before 100 %: the project keeps that one.',
  );
  const evaluations = await environment.stores.evaluations.list(projectId, 10);
  expect(evaluations.map(({ embeddingModel, recall }) => [embeddingModel, recall]).sort()).toEqual([
    [localEmbeddingModel.model, 1],
    [toModel.model, 0],
  ]);
  expect(await modelOf(projectId)).toBe(localEmbeddingModel.model);
  expect(await vectorsOf(projectId)).toMatchObject({
    [localEmbeddingModel.model]: articles.length,
    '-chunks-text-embedding-3-small-1536': 0,
  });
});

test('waits for a provider that is away, and says until when', { timeout: 90_000 }, async () => {
  const { projectId } = await projectAsking('How long do refunds take?', articles.slice(0, 2));
  openai.otherwise(() => ({ status: 503 }));
  const { handle, get } = await rebuild(projectId, null);
  await expect.poll(get, { timeout: 10_000 }).toMatchObject({
    status: 'filling',
    waitingUntil: expect.any(Date),
    message: expect.stringMatching(/openai: answered 503/),
  });
  expect(await modelOf(projectId)).toBe(localEmbeddingModel.model);
  openai.otherwise(() => ({ parts: [] }));
  expect(await handle.result()).toMatchObject({ status: 'done' });
  expect(await get()).toMatchObject({ waitingUntil: null, recallBefore: null });
});

test('a key that is refused ends it at once, with the reason', { timeout: 90_000 }, async () => {
  const { projectId } = await projectAsking('How long do refunds take?', articles.slice(0, 1));
  openai.otherwise(() => ({ status: 401 }));
  const { handle, get } = await rebuild(projectId);
  expect(await handle.result()).toMatchObject({ status: 'failed' });
  expect((await get()).message).toMatch(/refuses the API key.*keeps the model that it had/);
});
