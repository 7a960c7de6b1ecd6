/** One leg's raw score for each candidate it found. */
export type Leg = ReadonlyMap<string, number>;

export interface FusedCandidate {
  id: string;
  /** Raw BM25 score; null where that leg did not find the candidate. */
  bm25: number | null;
  /** Cosine similarity; null where that leg did not find the candidate. */
  dense: number | null;
  /** 0 to 1. */
  fused: number;
}

/** The weight of the dense leg, measured on three public sets (docs/decisions/0004-fusion.md). */
export const defaultAlpha = 0.6;

/**
 * Convex combination of the two legs, each min-max normalised over the union of candidates: α·dense + (1−α)·BM25,
 * best first (Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2023).
 * A candidate that a leg did not find gets that leg's lowest score. Ties keep the order of ids, so that equal searches
 * give equal results.
 */
export function fuse(bm25: Leg, dense: Leg, alpha = defaultAlpha): FusedCandidate[] {
  const ids = new Set([...bm25.keys(), ...dense.keys()]);
  const normaliseBm25 = minMax(bm25);
  const normaliseDense = minMax(dense);
  return [...ids]
    .map((id) => ({
      id,
      bm25: bm25.get(id) ?? null,
      dense: dense.get(id) ?? null,
      fused: alpha * normaliseDense(id) + (1 - alpha) * normaliseBm25(id),
    }))
    .sort((a, b) => b.fused - a.fused || (a.id < b.id ? -1 : 1));
}

/** Equal scores, as of a single candidate, count as 1: it is the best that the leg found. */
function minMax(leg: Leg): (id: string) => number {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const score of leg.values()) {
    if (score < min) min = score;
    if (score > max) max = score;
  }
  return (id) => {
    const score = leg.get(id);
    if (score === undefined) return 0;
    return max === min ? 1 : (score - min) / (max - min);
  };
}
