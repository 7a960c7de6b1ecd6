import { expect, test } from 'vitest';
import { bm25Query, cosineOf, denseQuery } from '../stores/elasticsearch/queries.ts';

const projectId = '0190a1b2-0000-7000-8000-000000000001';

test('both legs are filtered by project and liveness, the dense one inside the knn clause', () => {
  const filter = [{ term: { project_id: projectId } }, { term: { live: true } }];
  expect(bm25Query({ projectId, text: 'opening hours', size: 10 }).query?.bool?.filter).toEqual(filter);
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

test('a very long question is cut for BM25', () => {
  const query = bm25Query({ projectId, text: 'word '.repeat(5_000), size: 10 }).query;
  expect(JSON.stringify(query).length).toBeLessThan(1_500);
});

test('scores are turned back into cosines', () => {
  expect(cosineOf(1)).toBe(1);
  expect(cosineOf(0.5)).toBe(0);
  expect(cosineOf(0)).toBe(-1);
});
