import {
  explainedCandidates,
  type LegPlace,
  type Reranking,
  type RetrievalExplanation,
} from '../domain/retrieval.ts';
import type { Leg } from '../stores/elasticsearch/fusion.ts';
import type { RankedCandidate } from './rerank.ts';

/** Says how a search came to its result: the places of both legs, the order, and what the guard dropped. */
export function explain(search: {
  query: string | null;
  legs: { bm25: Leg; dense: Leg };
  /** Best first; what the guard let through. */
  ranked: readonly RankedCandidate[];
  reranking: Reranking | null;
  shown: number;
}): RetrievalExplanation {
  const { query, legs, ranked, reranking, shown } = search;
  const places = { bm25: placesOf(legs.bm25), dense: placesOf(legs.dense) };
  const place = (leg: 'bm25' | 'dense', id: string): LegPlace => {
    const rank = places[leg].get(id);
    return rank === undefined ? null : { rank, score: legs[leg].get(id)! };
  };
  const chunk = (id: string) => ({ chunkId: id, bm25: place('bm25', id), dense: place('dense', id) });
  const visible = new Set(ranked.map(({ id }) => id));
  const dropped = [...new Set([...legs.bm25.keys(), ...legs.dense.keys()])].filter((id) => !visible.has(id));
  const bestRank = (id: string) =>
    Math.min(places.bm25.get(id) ?? Infinity, places.dense.get(id) ?? Infinity);
  return {
    query,
    found: { bm25: legs.bm25.size, dense: legs.dense.size },
    reranking,
    shown: Math.min(shown, ranked.length),
    candidates: ranked
      .slice(0, explainedCandidates)
      .map(({ id, fused, rerank }) => ({ ...chunk(id), fused, rerank })),
    dropped: {
      count: dropped.length,
      chunks: dropped
        .sort((a, b) => bestRank(a) - bestRank(b))
        .slice(0, explainedCandidates)
        .map(chunk),
    },
  };
}

/** Rank from 1 by score. */
function placesOf(leg: Leg): Map<string, number> {
  const best = [...leg].sort(([, a], [, b]) => b - a);
  return new Map(best.map(([id], position) => [id, position + 1]));
}
