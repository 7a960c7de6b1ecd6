import { describe, expect, test } from 'vitest';
import { fuse } from '../stores/elasticsearch/fusion.ts';

const leg = (scores: Record<string, number>) => new Map(Object.entries(scores));

describe('fuse', () => {
  test('weighs the normalised legs', () => {
    const fused = fuse(leg({ a: 10, b: 6, c: 2 }), leg({ a: 0.2, b: 0.6, c: 0.4 }), 0.6);
    expect(fused.map(({ id, fused }) => [id, Number(fused.toFixed(3))])).toEqual([
      ['b', 0.8],
      ['a', 0.4],
      ['c', 0.3],
    ]);
  });

  test('keeps the raw scores, and null where a leg did not find the chunk', () => {
    const [first, second] = fuse(leg({ a: 3 }), leg({ b: 0.5 }), 0.6);
    expect(first).toEqual({ id: 'b', bm25: null, dense: 0.5, fused: 0.6 });
    expect(second).toEqual({ id: 'a', bm25: 3, dense: null, fused: 0.4 });
  });

  test('a chunk that one leg missed is not ranked above an equal one that both found', () => {
    const fused = fuse(leg({ both: 5, other: 1 }), leg({ both: 0.9, denseOnly: 0.9, low: 0.1 }), 0.6);
    expect(fused[0]!.id).toBe('both');
  });

  test('equal scores in a leg count as its best, and ties keep a fixed order', () => {
    const fused = fuse(leg({ b: 2, a: 2 }), leg({}), 0.6);
    expect(fused.map(({ id, fused }) => [id, fused])).toEqual([
      ['a', 0.4],
      ['b', 0.4],
    ]);
  });

  test('nothing found is an empty list', () => {
    expect(fuse(leg({}), leg({}))).toEqual([]);
  });
});
