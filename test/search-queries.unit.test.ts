import { expect, test } from 'vitest';
import { bm25Query, cosineOf, denseQuery } from '../stores/elasticsearch/queries.ts';
import { weigh } from '../stores/elasticsearch/words.ts';

const projectId = '0190a1b2-0000-7000-8000-000000000001';

test('both legs are filtered by project and liveness, the dense one inside the knn clause', () => {
  const filter = [{ term: { project_id: projectId } }, { term: { live: true } }];
  expect(bm25Query({ projectId, words: [], size: 10 }).query?.bool?.filter).toEqual(filter);
  expect(denseQuery({ projectId, vector: new Float32Array([1, 0]), size: 10 }).knn).toMatchObject({
    filter,
    k: 10,
  });
});

test('the dense leg looks at more candidates than it returns, within the limit of Elasticsearch', () => {
  const candidates = (size: number) =>
    (denseQuery({ projectId, vector: new Float32Array(2), size }).knn as { num_candidates: number })
      .num_candidates;
  expect(candidates(100)).toBe(150);
  expect(candidates(9_000)).toBe(10_000);
});

test('a word weighs what it weighs in its own project, whatever the neighbours write', () => {
  const own = { chunks: 100, frequencies: [90, 1, 0] };
  const words = (frequencies: number[]) =>
    ['the', 'warranty', 'elsewhere'].map((word, n) => ({ word, frequency: frequencies[n]!, timesAsked: 1 }));
  // As Lucene weighs a word by its frequency in the index, times the boost.
  const weights = (chunks: number, frequencies: number[]) =>
    weigh({ chunks, words: words(frequencies) }, own).map(({ word, boost }, n) => {
      const frequency = frequencies[n]!;
      return [word, (boost * Math.log(1 + (chunks - frequency + 0.5) / (frequency + 0.5))).toFixed(6)];
    });
  const alone = weights(100, [90, 1, 1]);
  expect(alone.map(([word]) => word)).toEqual(['the', 'warranty']);
  expect(weights(1_000_000, [90, 500_000, 7])).toEqual(alone);
});

test('scores are turned back into cosines', () => {
  expect(cosineOf(1)).toBe(1);
  expect(cosineOf(0.5)).toBe(0);
  expect(cosineOf(0)).toBe(-1);
});
