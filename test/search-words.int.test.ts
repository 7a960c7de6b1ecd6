import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createChunkIndex } from '../stores/elasticsearch/chunk-index.ts';
import { connectElasticsearch } from '../stores/elasticsearch/client.ts';

// Words are weighed within a project. Real Elasticsearch: its own weights are those of the whole index.

const project = randomUUID();
const vector = new Float32Array([1, 0]);
let index: ReturnType<typeof createChunkIndex>;

beforeAll(async () => {
  const { elasticsearchUrl } = inject('servers');
  index = createChunkIndex(connectElasticsearch(elasticsearchUrl, {}), {
    name: `test-words-${randomUUID()}`,
    dimensions: 2,
  });
  await index.ensure();
});
afterAll(() => index?.drop());

const put = (projectId: string, texts: readonly string[]) =>
  index.put(
    projectId,
    texts.map((text) => ({
      id: randomUUID(),
      documentId: randomUUID(),
      title: 'Page',
      headingPath: [],
      text,
      vector,
    })),
    { visible: true },
  );

async function bm25(text: string): Promise<number[]> {
  const words = await index.words(project, text);
  const { bm25 } = await index.search({ projectId: project, words, vector, size: 10 });
  return [...bm25.values()];
}

test('what neighbours write changes no score of a project', async () => {
  await put(project, [
    ...Array.from({ length: 20 }, (_, n) => `The page with the number ${n}`),
    'A page with a warranty inside',
  ]);
  const before = await bm25('the warranty?');
  const neighbour = randomUUID();
  await put(
    neighbour,
    Array.from({ length: 500 }, (_, n) =>
      n % 2 ? 'One warranty follows another one here' : 'Lamps and more lamps and shades',
    ),
  );
  const after = await bm25('the warranty?');
  expect(before[0]! / before[1]!).toBeGreaterThan(20);
  // Of the index itself only the average length of a text is left, which chunks have in common.
  for (const [n, score] of after.entries()) expect(score / before[n]!).toBeCloseTo(1, 2);
});

test('nothing is found by words that only neighbours have, by none, and by signs', async () => {
  expect(await index.words(project, 'Lamps')).toEqual([]);
  for (const text of ['Lamps', '', '?!', 'a'.repeat(5_000)]) expect(await bm25(text)).toEqual([]);
});

test('a word that is only in a title or a heading finds, and case does not matter', async () => {
  expect(await bm25('PAGE')).toHaveLength(10);
});
