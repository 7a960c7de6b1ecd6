// The rerankers behind an API, against a server that speaks their protocols.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { rerankApis } from '../domain/models.ts';
import { createHttpReranker } from '../providers/rerank/http.ts';
import type { ModelServer } from './support/model-server.ts';
import { startRerankServer } from './support/rerank-server.ts';

let server: ModelServer;
beforeAll(async () => {
  server = await startRerankServer({ apiKey: 'key' });
});
afterAll(() => server.close());
beforeEach(() => {
  server.requests.length = 0;
});

const versions = { cohere: 'v2', jina: 'v1', voyage: 'v1' };
const reranker = (name: (typeof rerankApis)[number], options: { apiKey?: string } = {}) =>
  createHttpReranker({
    name,
    baseUrl: `${server.url}/${name}/${versions[name]}/`,
    apiKey: 'key',
    model: '',
    fetch,
    ...options,
  });
const question = 'What does shipping to Norway cost?';
const texts = ['Opening hours.', 'Shipping to Norway costs 19 euros.', 'Shipping takes two days.'];
const { signal } = new AbortController();

test.each(rerankApis)('%s scores each text, in the order of the texts', async (name) => {
  const scores = await reranker(name).rerank(question, texts, signal);
  expect(scores).toEqual([0, 0.4, 0.2]);
  expect(server.requests[0]!.body).toMatchObject({
    query: question,
    documents: texts,
    model: expect.stringContaining('rerank'),
  });
});

describe('what goes wrong is told', () => {
  test('a 429 is respected: until then nobody asks again', async () => {
    const jina = reranker('jina');
    server.next({ status: 429, headers: { 'retry-after': '60' } });
    await expect(jina.rerank(question, texts, signal)).rejects.toMatchObject({
      kind: 'rate_limited',
      retryAfterMs: 60_000,
    });
    await expect(jina.rerank(question, texts, signal)).rejects.toThrow('not to be asked for another 60 s');
    expect(server.requests).toHaveLength(1);
  });

  test.each([
    ['a 500', { status: 500 }, 'answered 500'],
    ['a cut connection', { parts: [], fault: 'cut' as const }, 'cannot be reached'],
    ['no JSON', { parts: ['<html>'] }, 'not JSON'],
    ['no scores', { parts: ['{"results": "none"}'] }, 'sent no scores'],
    [
      'a part of the scores',
      { parts: ['{"results": [{"index": 1, "relevance_score": 1}]}'] },
      '1 scores for 3',
    ],
    [
      'the score of a text that was not sent',
      { parts: [JSON.stringify({ results: [0, 1, 3].map((index) => ({ index, relevance_score: 1 })) })] },
      '3 scores for 3',
    ],
  ])('%s', async (_, behaviour, message) => {
    server.next(behaviour);
    const failure = reranker('jina').rerank(question, texts, signal);
    await expect(failure).rejects.toMatchObject({ name: 'ProviderError', retryable: true });
    await expect(failure).rejects.toThrow(message);
  });

  test('a refused key, without the key', async () => {
    const failure = reranker('voyage', { apiKey: 'secret' }).rerank(question, texts, signal);
    await expect(failure).rejects.toMatchObject({ kind: 'credentials', retryable: false });
    await expect(failure).rejects.not.toThrow('secret');
  });
});

test('a search that is given up ends the call with its reason', async () => {
  server.next({ parts: [], fault: 'silence' });
  const controller = new AbortController();
  const call = reranker('cohere').rerank(question, texts, controller.signal);
  controller.abort(new Error('stopped'));
  await expect(call).rejects.toThrow('stopped');
});
