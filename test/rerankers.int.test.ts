// A search's best, ordered once more: by an API, by the local cross-encoder, and without either when they fail.
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { readConfig } from '../config.ts';
import { download } from '../infra/local/download.ts';
import { openFolders } from '../infra/local/folders.ts';
import { createCrossEncoder } from '../providers/rerank/cross-encoder.ts';
import { newApiKey } from '../stores/postgres/keys.ts';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import type { ModelServer } from './support/model-server.ts';
import { startRerankServer } from './support/rerank-server.ts';

let environment: TestEnvironment;
let server: ModelServer;
let own: ModelServer;
let url: string;

beforeAll(async () => {
  const quiet = { onProgress: () => {} };
  const { FRONTDESK_HOME } = readConfig();
  await download(
    openFolders(FRONTDESK_HOME, () => {}),
    ['reranker'],
    quiet,
  );
  environment = await createTestEnvironment(inject('servers'));
  server = await startRerankServer({ apiKey: 'server-key' });
  own = await startRerankServer({ apiKey: 'own-key-1234' });
  const env = {
    JINA_API_KEY: 'server-key',
    JINA_BASE_URL: `${server.url}/jina/v1`,
    OUTBOUND_ALLOWED_RANGES: '127.0.0.1',
  };
  const [, api] = await Promise.all([environment.startWorker(env), environment.startApi(env)]);
  url = api.url;
});
afterAll(async () => {
  await environment?.close();
  await Promise.all([server?.close(), own?.close()]);
});
beforeEach(() => {
  for (const one of [server, own]) one.requests.length = 0;
});

const question = 'What does shipping to Norway cost?';

async function projectWith(settings: object) {
  const project = await environment.createProject(settings);
  const key = newApiKey('test');
  await environment.stores.keys.create(project.id, { key, kind: 'secret', name: 's', environment: 'test' });
  const api = createApiClient(url, project.key);
  const articles = [
    '# Norway\n\nShipping to Norway costs 19 euros, and what it costs does not depend on weight.',
    '# Germany\n\nShipping to Germany costs 5 euros.',
    '# Hours\n\nOur shop in Oslo is open from nine to five.',
  ];
  for (const id of await Promise.all(articles.map((article) => api.upload(article)))) await api.ready(id);
  return { ...project, api, secret: createApiClient(url, key) };
}
type Project = Awaited<ReturnType<typeof projectWith>>;

const search = async ({ api }: Project) =>
  (await api.call('POST', '/retrieval/search', { query: question })).json.results as {
    title: string;
    scores: { fused: number; rerank: number | null };
  }[];

/** A turn of the project, and how its passages were found. */
async function explained({ api }: Project) {
  const { json } = await api.ask(question);
  expect(json.reply).toContain('19 euros');
  return await eventually(async () => {
    const answer = await api.call('GET', `/turns/${json.turnId}/retrieval`);
    return answer.status === 200 ? answer.json : undefined;
  });
}

test('by default nobody reranks, and nobody is asked', async () => {
  const project = await projectWith({});
  expect((await search(project)).map(({ scores }) => scores.rerank)).toEqual([null, null, null]);
  expect((await explained(project)).reranking).toBeNull();
  expect(server.requests).toEqual([]);
});

test('an API orders the best once more, and each turn shows its scores', async () => {
  const project = await projectWith({ reranker: 'jina' });
  // The other way round than any search would have it.
  server.next({
    parts: [JSON.stringify({ results: [0, 1, 2].map((index) => ({ index, relevance_score: index / 4 })) })],
  });
  const results = await search(project);
  expect(results.map(({ scores }) => scores.rerank)).toEqual([0.5, 0.25, 0]);
  expect(results[2]!.title).toBe('Norway');
  expect(results[2]!.scores.fused).toBeGreaterThan(results[0]!.scores.fused);

  const found = await explained(project);
  expect(found.reranking).toEqual({
    provider: 'jina',
    model: 'jina-reranker-v2-base-multilingual',
    failure: null,
  });
  expect(found.candidates[0]).toMatchObject({ title: 'Norway', rerank: 0.8, shown: true });
  expect(server.requests.at(-1)!.body.documents[0]).toContain('Norway\n');
});

test('when it fails, the search goes on without it and says why', async () => {
  const project = await projectWith({ reranker: 'jina', rerankModel: 'my-model' });
  for (const [behaviour, failure] of [
    [{ status: 500 }, 'jina: answered 500.'],
    [{ parts: ['{"results": []}'] }, 'jina: sent 0 scores for 3 texts.'],
    [{ parts: [], fault: 'silence' as const }, 'jina: no scores within 0.6 s.'],
    [{ status: 429, headers: { 'retry-after': '60' } }, /limits how much it is asked \(429\).* in 60 s/],
  ] as const) {
    server.next(behaviour as never);
    const { reranking, candidates } = await explained(project);
    expect(reranking).toEqual({
      provider: 'jina',
      model: 'my-model',
      failure: typeof failure === 'string' ? failure : expect.stringMatching(failure),
    });
    expect(candidates[0]).toMatchObject({ title: 'Norway', rerank: null });
  }
});

test('a project brings its own key and address; without access the search goes on', async () => {
  const project = await projectWith({ reranker: 'voyage' });
  expect((await explained(project)).reranking.failure).toBe(
    'voyage: is not set up. Set VOYAGE_API_KEY, or a key of the project.',
  );
  const body = { apiKey: 'own-key-1234', baseUrl: `${own.url}/voyage/v1` };
  const put = await project.secret.call('PUT', `/projects/${project.id}/provider-keys/voyage`, body);
  expect(put.json.providerKey).toMatchObject({ provider: 'voyage', lastFour: '1234' });
  expect((await search(project))[0]).toMatchObject({ title: 'Norway', scores: { rerank: 0.8 } });
  expect(own.requests).toHaveLength(1);
});

test('the local cross-encoder tells an answer from what only sounds like one', async () => {
  const project = await projectWith({ reranker: 'local' });
  // The model loads with the first search, which does not wait for it.
  const found = await eventually(async () => {
    const explanation = await explained(project);
    return explanation.reranking.failure ? undefined : explanation;
  });
  const scores = new Map<string, number>(
    found.candidates.map(({ title, rerank }: { title: string; rerank: number }) => [title, rerank]),
  );
  expect(scores.get('Norway')).toBeGreaterThan(0.9);
  expect(scores.get('Hours')).toBeLessThan(0.1);
});

test('without its model the cross-encoder says how to get it; a stopped question leaves it free', async () => {
  const none = createCrossEncoder({ modelDir: '/nowhere' });
  const { signal } = new AbortController();
  await expect(none.rerank(question, ['text'], signal)).rejects.toThrow('npm run download -- reranker');

  const encoder = createCrossEncoder({ modelDir: readConfig().rerankerModelDir });
  const controller = new AbortController();
  const long = encoder.rerank(question, Array(500).fill('word '.repeat(400)), controller.signal);
  controller.abort(new Error('stopped'));
  await expect(long).rejects.toThrow('stopped');
  const scores = await encoder.rerank(question, ['Shipping to Norway costs 19 euros.', 'Hello.'], signal);
  expect(scores[0]).toBeGreaterThan(scores[1]!);
  await encoder.close();
});
