// The bundled model in its threads, as the worker runs it. Needs the model's files (`npm run download`).
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { readConfig } from '../config.ts';
import { ProviderError } from '../domain/errors.ts';
import { createLocalEmbedder, type LocalEmbedder } from '../providers/local/embedder.ts';

const modelDir = readConfig().embeddingModelDir;
const query = { purpose: 'query' } as const;
const document = { purpose: 'document' } as const;
const longText = 'The parcel leaves our warehouse on the next working day and takes two days. '.repeat(14);
const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, at) => sum + value * b[at]!, 0);

let embedder: LocalEmbedder;
beforeAll(async () => {
  embedder = createLocalEmbedder({ modelDir, threads: 1 });
  await embedder.ready();
}, 30_000);
afterAll(() => embedder.close());

test('vectors have norm 1, the same text always the same one, and near meanings lie near', async () => {
  const texts = [
    'How do I reset my password?',
    'I forgot my password and want a new one.',
    'The soup is too salty.',
  ];
  const vectors = await embedder.embed(texts, document);
  for (const vector of vectors) {
    expect(vector).toHaveLength(embedder.dimensions);
    expect(dot(vector, vector)).toBeCloseTo(1, 5);
  }
  const [password, forgotten, soup] = vectors as [Float32Array, Float32Array, Float32Array];
  expect(dot(password, forgotten)).toBeGreaterThan(0.6);
  expect(dot(password, soup)).toBeLessThan(0.3);
  expect(await embedder.embed([texts[0]!], query)).toEqual([password]);
});

test('sees the first 256 tokens, and takes an empty text', async () => {
  const [long, cut, empty] = await embedder.embed(
    [`${longText}${longText}`, longText.repeat(20), ''],
    document,
  );
  // The two differ only after 256 tokens.
  expect(dot(long!, cut!)).toBeCloseTo(1, 5);
  expect(dot(empty!, empty!)).toBeCloseTo(1, 5);
});

test('a query goes before the documents that wait, in order of its own texts', async () => {
  const finished: string[] = [];
  const documents = Array.from({ length: 8 }, async (_, at) => {
    await embedder.embed([longText, longText], document);
    finished.push(`document ${at}`);
  });
  await embedder.embed(['first', 'second', 'third'], query);
  finished.push('query');
  await Promise.all(documents);
  expect(finished[0]).toBe('query');
});

test('an aborted call rejects with the reason and leaves the queue', async () => {
  const handedOver = vi.spyOn(Worker.prototype, 'postMessage');
  const controller = new AbortController();
  const bulk = embedder.embed(
    Array.from({ length: 500 }, () => longText),
    { ...document, signal: controller.signal },
  );
  const next = embedder.embed(['next'], document);
  controller.abort(new Error('stopped'));
  await expect(bulk).rejects.toThrow('stopped');
  await next;
  // The one that was in work when it was stopped, and the next call's.
  expect(handedOver.mock.calls.map(([request]) => request.text)).toEqual([longText, 'next']);
  handedOver.mockRestore();
  await expect(embedder.embed(['x'], { ...query, signal: controller.signal })).rejects.toThrow('stopped');
});

test('a thread that dies rejects its text as retryable and is replaced', async () => {
  const terminate = vi.spyOn(Worker.prototype, 'postMessage').mockImplementationOnce(function (this: Worker) {
    void this.terminate();
  });
  const [before] = embedder.threadIds();
  const doomed = embedder.embed(['doomed'], query);
  const waiting = embedder.embed(['waiting'], query);
  await expect(doomed).rejects.toMatchObject({ name: 'ProviderError', retryable: true });
  terminate.mockRestore();
  expect(await waiting).toHaveLength(1);
  expect(embedder.threadIds()).toHaveLength(1);
  expect(embedder.threadIds()).not.toContain(before);
});

test('missing files, an unreadable model and a closed embedder say so, and a later call looks again', async () => {
  const none = createLocalEmbedder({ modelDir: '/nowhere', threads: 1 });
  await expect(none.ready()).rejects.toThrow('npm run download');
  await expect(none.embed(['x'], query)).rejects.toBeInstanceOf(ProviderError);
  await none.close();

  const short = createLocalEmbedder({ modelDir, threads: 2 });
  expect(await Promise.all([short.embed([], query), short.embed(['lazy'], query)])).toHaveLength(2);
  await short.close();
  await expect(short.embed(['x'], query)).rejects.toMatchObject({ retryable: true });
  await short.close();
});
