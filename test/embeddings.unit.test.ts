// Embedding models behind an API, spoken with real servers over HTTP.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { embeddingModelOf, withEmbeddingModel } from '../domain/models.ts';
import { projectSettings } from '../domain/projects.ts';
import { createGeminiEmbedder } from '../providers/gemini/embeddings.ts';
import { createOpenAiEmbedder } from '../providers/openai/embeddings.ts';
import { startGeminiServer } from './support/gemini-server.ts';
import { type ModelServer, wordVector } from './support/model-server.ts';
import { startOpenAiServer } from './support/openai-server.ts';

const apiKey = 'key-for-tests';
let openai: ModelServer;
let gemini: ModelServer;
beforeAll(async () => {
  openai = await startOpenAiServer({ apiKey });
  gemini = await startGeminiServer({ apiKey });
});
afterAll(() => Promise.all([openai.close(), gemini.close()]));

const embedderOf = (name: string, dimensions = 768, timeout = 2_000) =>
  name === 'gemini'
    ? createGeminiEmbedder({
        baseUrl: gemini.url,
        apiKey,
        timeout,
        space: { model: 'gemini-embedding-001', dimensions },
      })
    : createOpenAiEmbedder({
        name: name as 'openai' | 'ollama',
        baseUrl: openai.url,
        apiKey,
        fetch,
        timeout,
        space: { model: name === 'openai' ? 'text-embedding-3-small' : 'nomic-embed-text', dimensions },
      });
const serverOf = (name: string) => (name === 'gemini' ? gemini : openai);

describe.each(['openai', 'ollama', 'gemini'])('%s', (name) => {
  test('embeds in batches, in order, to norm 1', async () => {
    serverOf(name).requests.length = 0;
    const texts = Array.from({ length: 150 }, (_, n) => `text number${n} of many`);
    const vectors = await embedderOf(name).embed(texts, { purpose: 'document' });
    expect(vectors).toHaveLength(150);
    expect(serverOf(name).requests).toHaveLength(2);
    const prefix = name === 'ollama' ? 'search_document: ' : '';
    const raw = wordVector(prefix + texts[149], 768);
    const norm = Math.hypot(...raw);
    expect(vectors[149]![3]).toBeCloseTo(raw[3]! / norm, 5);
    expect(Math.hypot(...vectors[0]!)).toBeCloseTo(1, 5);
  });

  test('a 429 says how long to wait, and nothing is tried again here', async () => {
    serverOf(name).requests.length = 0;
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '9s' }];
    const body =
      name === 'gemini' ? { error: { code: 429, message: 'x', details } } : { error: { message: 'x' } };
    serverOf(name).next({ status: 429, headers: { 'retry-after': '9' }, body });
    await expect(embedderOf(name).embed(['a'], { purpose: 'query' })).rejects.toMatchObject({
      retryable: true,
      retryAfterMs: 9_000,
    });
    expect(serverOf(name).requests).toHaveLength(1);
  });
});

test('a vector of another size is never stored', async () => {
  // The stand-in for Ollama gives 768 whatever is asked.
  await expect(embedderOf('ollama', 1024).embed(['a'], { purpose: 'document' })).rejects.toMatchObject({
    retryable: false,
    message:
      'ollama: nomic-embed-text gives 768 numbers a text, and the project is set up for 1024. Correct embeddingDimensions.',
  });
});

test('an abort and a time limit end a call', async () => {
  const signal = AbortSignal.abort(new Error('stopped'));
  await expect(embedderOf('openai').embed(['a'], { purpose: 'query', signal })).rejects.toThrow('stopped');
  const slow = embedderOf('openai', 768, 0);
  await expect(slow.embed(['a'], { purpose: 'query' })).rejects.toMatchObject({ kind: 'timeout' });
});

test.each([
  [{}, { provider: 'local', model: 'all-minilm-l6-v2-q', dimensions: 384 }],
  [{ provider: 'openai' }, { provider: 'openai', model: 'text-embedding-3-small', dimensions: 1536 }],
  [{ provider: 'groq' }, { provider: 'gemini', model: 'gemini-embedding-001', dimensions: 768 }],
  [
    { provider: 'ollama', embeddingModel: 'my-model', embeddingDimensions: 99 },
    { provider: 'ollama', model: 'my-model', dimensions: 99 },
  ],
])('the embedding model of %j', (given, model) => {
  expect(embeddingModelOf(projectSettings.parse(given))).toEqual(model);
});

test('a project keeps its space when its provider changes; an unknown model must say its size', () => {
  const kept = withEmbeddingModel(projectSettings.parse({}));
  expect(embeddingModelOf({ ...kept, provider: 'openai' })).toMatchObject({ provider: 'local' });
  expect(() => embeddingModelOf(projectSettings.parse({ provider: 'ollama', embeddingModel: 'x' }))).toThrow(
    'Set embeddingDimensions',
  );
});
