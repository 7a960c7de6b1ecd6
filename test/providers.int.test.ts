// Projects whose models are behind an API: answers, embeddings, fallbacks, failures, keys of their own.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { newApiKey } from '../stores/postgres/keys.ts';
import { createApiClient } from './support/api-client.ts';
import { frontdesk } from './support/cli.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import { startGeminiServer } from './support/gemini-server.ts';
import type { ModelServer } from './support/model-server.ts';
import { startOpenAiServer } from './support/openai-server.ts';

let environment: TestEnvironment;
let openai: ModelServer;
let gemini: ModelServer;
let other: ModelServer;
let url: string;
let cwd: string;

const article = `# Shipping

Parcels to Norway arrive within four to six days. Shipping to Norway costs 19 euros.

Parcels to Germany arrive within two days. Shipping to Germany costs 5 euros.`;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  openai = await startOpenAiServer({ apiKey: 'server-key' });
  gemini = await startGeminiServer({ apiKey: 'gemini-key' });
  other = await startOpenAiServer({ apiKey: 'own-key-1234' });
  cwd = await mkdtemp(join(tmpdir(), 'frontdesk-test-'));
  const env = {
    OPENAI_BASE_URL: openai.url,
    OPENAI_API_KEY: 'server-key',
    GEMINI_BASE_URL: gemini.url,
    GEMINI_API_KEY: 'gemini-key',
    ENCRYPTION_KEYS: encryptionKey('first'),
    OUTBOUND_ALLOWED_RANGES: '127.0.0.1',
  };
  const [, api] = await Promise.all([environment.startWorker(env), environment.startApi(env)]);
  url = api.url;
});
afterAll(async () => {
  await environment?.close();
  await Promise.all([openai?.close(), gemini?.close(), other?.close()]);
});
beforeEach(() => {
  for (const server of [openai, gemini, other]) {
    server.requests.length = 0;
    server.otherwise(() => ({ parts: ['Shipping to Norway ', 'costs 19 euros [1].'] }));
  }
});

const encryptionKey = (id: string) => `${id}:${Buffer.alloc(32, id).toString('base64')}`;

async function projectWith(
  settings: object,
  upload = true,
): Promise<TestProject & { api: Api; secret: Api }> {
  const project = await environment.createProject(settings);
  const key = newApiKey('test');
  await environment.stores.keys.create(project.id, { key, kind: 'secret', name: 's', environment: 'test' });
  const api = createApiClient(url, project.key);
  if (upload) await api.ready(await api.upload(article));
  return { ...project, api, secret: createApiClient(url, key) };
}
type Api = ReturnType<typeof createApiClient>;

const attemptsOf = (turnId: string) =>
  environment.sql`select attempt, provider, model, outcome, error_code, error_message
    from turn_attempts where turn_id = ${turnId} order by attempt`;

const question = 'What does shipping to Norway cost?';

describe('openai with its own embeddings', () => {
  let project: Awaited<ReturnType<typeof projectWith>>;
  beforeAll(async () => {
    project = await projectWith({ provider: 'openai' });
  });

  test('answers with numbered sources and what it used', async () => {
    const { json } = await project.api.ask(question);
    expect(json).toMatchObject({
      reply: 'Shipping to Norway costs 19 euros [1].',
      sources: [{ title: 'Shipping', quote: 'Shipping to Norway costs 19 euros.' }],
      usage: { promptTokens: 120, completionTokens: 24, totalTokens: 144 },
    });
    expect(await attemptsOf(json.turnId)).toMatchObject([
      { attempt: 1, provider: 'openai', model: 'gpt-4o-mini', outcome: 'answered', errorCode: null },
    ]);
    const turn = await environment.stores.turns.get(project.id, json.turnId);
    expect(turn!.confidence).toBe(1);
    const exists = await environment.elasticsearch.indices.exists({
      index: `${environment.indexPrefix}-chunks-text-embedding-3-small-1536`,
    });
    expect(exists).toBe(true);
  });

  test('searches for the whole question behind a follow-up, rewritten by the model', async () => {
    const first = await project.api.ask(question);
    openai.otherwise((body) =>
      body.max_completion_tokens === 120
        ? { parts: ['What does shipping to Germany cost?'] }
        : { parts: ['Shipping to Germany costs 5 euros [1].'] },
    );
    const { conversationId } = first.json;
    const { json } = await project.api.ask('And to Germany?', { conversationId });
    expect(json.reply).toContain('5 euros');
    const [row] = await environment.sql`select search_query from turns where id = ${json.turnId}`;
    expect(row!.searchQuery).toBe('What does shipping to Germany cost?');
    const roles = openai.requests.at(-1)!.body.messages.map((message: { role: string }) => message.role);
    expect(roles).toEqual(['system', 'user', 'assistant', 'user']);
  });

  test('falls back to rules when the model is slow to rewrite', async () => {
    const first = await project.api.ask(question);
    openai.otherwise((body) =>
      body.max_completion_tokens === 120
        ? { parts: ['x'], after: 0, fault: 'silence' }
        : { parts: ['Shipping to Germany costs 5 euros [1].'] },
    );
    const { conversationId } = first.json;
    const { json } = await project.api.ask('And to Germany?', { conversationId });
    const [row] = await environment.sql`select search_query from turns where id = ${json.turnId}`;
    expect(row!.searchQuery).toBe(`${question} And to Germany?`);
  });

  test('tells the model of the page, as a hint', async () => {
    const page = { url: 'https://shop.example/checkout', title: 'Checkout' };
    await project.api.ask(question, { page });
    expect(openai.requests.at(-1)!.body.messages.at(-1).content).toContain('Checkout');
  });

  test.each([
    ['says that it does not know', ['NO_', 'ANSWER']],
    ['claims what no source says', ['Shipping to Norway costs 29 euros [1].']],
    ['cites a source that does not exist', ['Our founder was born in Oslo [7].']],
    ['cites nothing and says something else', ['The secret key is Piano.']],
  ])('declines where the model %s', async (_, parts) => {
    openai.otherwise(() => ({ parts }));
    const lines = await project.api.stream('/v1/chat/turns', { message: question });
    const done = lines.at(-1);
    expect(done).toMatchObject({ type: 'done', status: 'declined', sources: [] });
    expect(done.reply).toMatch(/^I don't know/);
    expect(done.closest).toMatchObject([{ title: 'Shipping' }]);
    // What was shown of it is taken back.
    const shown = lines.findLastIndex((line) => line.type === 'token');
    expect(lines.findLastIndex((line) => line.type === 'reset')).toBeGreaterThanOrEqual(shown);
  });

  test('a refusal is declined and recorded as one', async () => {
    openai.otherwise(() => ({ parts: ['I cannot help with that.'], finish: 'refused' }));
    const { json } = await project.api.ask(question);
    expect(json.sources).toEqual([]);
    expect(await attemptsOf(json.turnId)).toMatchObject([
      { outcome: 'declined', errorCode: 'CONTENT_REFUSED', errorMessage: 'the model refused' },
    ]);
  });

  test('a greeting needs no source', async () => {
    openai.otherwise(() => ({ parts: ['SMALL_TALK', ' Hello! How can I help?'] }));
    const { json } = await project.api.ask('Good morning');
    expect(json).toMatchObject({ reply: 'Hello! How can I help?', sources: [] });
    const turn = await environment.stores.turns.get(project.id, json.turnId);
    expect(turn).toMatchObject({ status: 'answered', confidence: null });
  });

  test('waits as long as a 429 asks, then answers in a new attempt', async () => {
    openai.next({ parts: [] }, { status: 429, headers: { 'retry-after': '2' } });
    const began = performance.now();
    const { json } = await project.api.ask(`${question} (again)`);
    expect(performance.now() - began).toBeGreaterThan(2_000);
    expect(json.reply).toContain('19 euros');
    expect(await attemptsOf(json.turnId)).toMatchObject([
      { attempt: 1, outcome: null, errorCode: 'OPENAI_RATE_LIMITED' },
      { attempt: 2, outcome: 'answered' },
    ]);
  });

  test('fails at once, with the reason, where waiting is hopeless', async () => {
    openai.otherwise((body) =>
      body.input ? { parts: [] } : { status: 429, headers: { 'retry-after': '3600' } },
    );
    const answer = await project.api.ask(question);
    expect(answer.status).toBe(503);
    expect(answer.json.details).toMatchObject({
      code: 'OPENAI_RATE_LIMITED',
      reason: expect.stringContaining('asks to be tried again in 3600 s'),
    });
  });

  test('a document waits while the embeddings are limited, and says so', async () => {
    openai.next({ status: 429, headers: { 'retry-after': '3' } });
    const documentId = await project.api.upload('# Returns\n\nReturns are free within 30 days.');
    const waiting = async () =>
      (await project.api.call('GET', `/documents/${documentId}`)).json.document.progress?.problem ?? '';
    await expect.poll(waiting, { timeout: 10_000 }).toContain('asks to be tried again in 3 s');
    expect(await project.api.ready(documentId)).toMatchObject({ status: 'ready', error: null });
  });
});

test('gemini answers and embeds', async () => {
  const project = await projectWith({ provider: 'gemini' });
  const { json } = await project.api.ask(question);
  expect(json.reply).toBe('Shipping to Norway costs 19 euros [1].');
  expect(gemini.requests.some(({ path }) => path.includes('gemini-embedding-001:batchEmbed'))).toBe(true);
});

test('the chain of fallbacks: each provider begins an answer of its own, and what was used is recorded', async () => {
  const fallbacks = [
    { provider: 'groq' },
    { provider: 'gemini', model: 'gemini-2.5-pro' },
    { provider: 'local' },
  ];
  const project = await projectWith({ provider: 'openai', fallbacks, embeddingProvider: 'local' });
  openai.otherwise(() => ({ parts: ['Shipping to ', 'Norway '], after: 1, fault: 'cut' }));
  gemini.otherwise(() => ({ status: 503 }));
  const lines = await project.api.stream('/v1/chat/turns', { message: question });
  expect(lines.at(-1)).toMatchObject({
    status: 'answered',
    reply: expect.stringContaining('Shipping to Norway costs 19 euros.'),
  });
  const attempts = await attemptsOf(lines.at(-1).turnId);
  expect(attempts).toMatchObject([
    { provider: 'openai', errorMessage: expect.stringMatching(/connection failed/) },
    { provider: 'groq', errorMessage: 'groq: is not set up. Set GROQ_API_KEY, or a key of the project.' },
    { provider: 'gemini', model: 'gemini-2.5-pro', errorMessage: 'gemini: answered 503.' },
    { provider: 'local', model: 'extractive', outcome: 'answered', errorMessage: null },
  ]);
  const shown = await project.api.call('GET', `/turns/${lines.at(-1).turnId}/attempts`);
  expect(shown.json.attempts).toMatchObject([
    { provider: 'openai', outcome: null, error: { code: 'OPENAI_UNAVAILABLE' } },
    { provider: 'groq', error: { code: 'GROQ_NOT_CONFIGURED' }, usage: { totalTokens: 0 } },
    { provider: 'gemini', model: 'gemini-2.5-pro', error: { code: 'GEMINI_UNAVAILABLE' } },
    { provider: 'local', outcome: 'answered', error: null, usage: { totalTokens: expect.any(Number) } },
  ]);
});

test('a turn that runs out of time says what its last attempt failed with', async () => {
  const project = await environment.createProject();
  const { turns } = environment.stores;
  const { turnId } = await turns.accept(project.id, { message: 'Hello?', conversation: 'new' }, undefined);
  const attempt = await turns.beginAttempt(project.id, turnId, { provider: 'openai', model: 'm' });
  const failure = { code: 'OPENAI_UNAVAILABLE', message: 'openai: answered 500.' };
  await turns.failAttempt(project.id, turnId, attempt, failure);
  await turns.recordFailure(project.id, turnId, { code: 'TURN_DEADLINE', message: 'No answer within 90 s.' });
  expect((await turns.get(project.id, turnId))!.errorMessage).toBe(
    'No answer within 90 s. The last attempt: openai: answered 500.',
  );
});

describe('a project’s own key', () => {
  test('goes in, shows its last four, and is used instead of the server’s', async () => {
    const project = await projectWith({ provider: 'openai', embeddingProvider: 'local' });
    const path = `/projects/${project.id}/provider-keys`;
    const body = { apiKey: 'own-key-1234', baseUrl: `${other.url}/` };
    const put = await project.secret.call('PUT', `${path}/openai`, body);
    expect(put.json).toMatchObject({
      providerKey: { provider: 'openai', lastFour: '1234', baseUrl: other.url },
    });
    const listed = await project.secret.call('GET', path);
    expect(listed.json.providerKeys).toMatchObject([{ provider: 'openai', lastFour: '1234' }]);
    expect(put.text + listed.text).not.toContain('own-key');

    expect((await project.api.ask(question)).json.reply).toContain('19 euros');
    expect(other.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer own-key-1234']);
    expect(openai.requests).toEqual([]);

    expect((await project.secret.call('DELETE', `${path}/openai`)).status).toBe(204);
    expect((await project.secret.call('DELETE', `${path}/openai`)).json.code).toBe('PROVIDER_KEY_NOT_FOUND');
    await project.api.ask(question);
    expect(openai.requests).toHaveLength(1);
  });

  test('an address without a key never gets the server’s', async () => {
    const project = await projectWith({ provider: 'openai', embeddingProvider: 'local' });
    await project.secret.call('PUT', `/projects/${project.id}/provider-keys/openai`, { baseUrl: other.url });
    const answer = await project.api.ask(question);
    expect(answer.json.details.reason).toContain('refuses the API key');
    expect(other.requests[0]!.headers.authorization).not.toContain('server-key');
  });

  test('an address inside the network is not called', async () => {
    const project = await projectWith({ provider: 'ollama', embeddingProvider: 'local' });
    const path = `/projects/${project.id}/provider-keys/ollama`;
    await project.secret.call('PUT', path, { baseUrl: 'http://10.0.0.1:11434' });
    const { json } = await project.api.ask(question);
    expect(json.details).toMatchObject({
      code: 'OLLAMA_REQUEST',
      reason: expect.stringContaining('10.0.0.1'),
    });
  });

  test('is for administrators, of the same project', async () => {
    const [project, stranger] = await Promise.all([projectWith({}, false), projectWith({}, false)]);
    const path = `/projects/${project.id}/provider-keys`;
    expect((await project.api.call('GET', path)).json.code).toBe('INSUFFICIENT_SCOPE');
    expect((await stranger.secret.call('GET', path)).json.code).toBe('PROJECT_NOT_FOUND');
    const bad = await project.secret.call('PUT', `${path}/openai`, {});
    expect(bad.json).toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining('send an apiKey'),
    });
    const google = await project.secret.call('PUT', `${path}/gemini`, { baseUrl: 'https://models.example' });
    expect(google.status).toBe(400);
  });

  test('is encrypted again by a rotation', async () => {
    const project = await projectWith({ provider: 'openai', embeddingProvider: 'local' }, false);
    const path = `/projects/${project.id}/provider-keys/openai`;
    await project.secret.call('PUT', path, { apiKey: 'own-key-1234', baseUrl: other.url });
    const secret = async () => {
      const [row] = await environment.sql<{ secret: string }[]>`
        select secret from provider_keys where project_id = ${project.id}`;
      return row!.secret;
    };
    expect(await secret()).toMatch(/^first\./);
    const keys = [encryptionKey('second'), encryptionKey('first')].join(',');
    const env = { ...environment.env, ENCRYPTION_KEYS: keys };
    const { code, stdout } = await frontdesk(['rotate-encryption'], { env, cwd });
    expect(stdout).toMatch(/provider keys: \d+, [1-9]\d* encrypted again/);
    expect(code).toBe(0);
    expect(await secret()).toMatch(/^second\./);
    const lost = await frontdesk(['rotate-encryption'], {
      env: { ...environment.env, ENCRYPTION_KEYS: encryptionKey('third') },
      cwd,
    });
    expect(lost.code).toBe(1);
    expect(lost.stderr).toContain('The encryption key "second" is not in ENCRYPTION_KEYS.');
  });
});

test('the embedding model of a project with documents stays, whatever else changes', async () => {
  const actor = { type: 'system', id: null, ip: null } as const;
  const { projects } = environment.stores;
  const empty = await environment.createProject();
  const chosen = await projects.change(empty.id, { settings: { embeddingProvider: 'openai' } }, actor);
  expect(chosen!.settings).toMatchObject({
    embeddingProvider: 'openai',
    embeddingModel: 'text-embedding-3-small',
    embeddingDimensions: 1536,
  });
  const { id } = await projectWith({});
  const change = projects.change(id, { settings: { embeddingProvider: 'openai' } }, actor);
  await expect(change).rejects.toMatchObject({ code: 'EMBEDDING_IN_USE' });
  const changed = await projects.change(id, { settings: { provider: 'openai' } }, actor);
  expect(changed!.settings).toMatchObject({ provider: 'openai', embeddingProvider: 'local' });
});

test('models are listed, and health tells who answers', async () => {
  const project = await projectWith({}, false);
  const { json } = await project.api.call('GET', '/providers/openai/models');
  expect(json).toEqual({ provider: 'openai', models: ['gpt-4o', 'gpt-4o-mini'] });
  const failed = await project.api.call('GET', '/providers/groq/models');
  expect(failed.status).toBe(502);
  expect(failed.json.message).toContain('groq: is not set up');
  const health = await project.api.call('GET', '/debug/provider-health');
  const states = health.json.providers.map((one: { provider: string; status: string }) => [
    one.provider,
    one.status,
  ]);
  expect(Object.fromEntries(states)).toEqual({
    groq: 'not configured',
    openai: 'up',
    gemini: 'up',
    ollama: 'not configured',
    local: 'up',
  });
});
