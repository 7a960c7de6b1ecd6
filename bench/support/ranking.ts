// Measures of a ranking against a set of relevant ids, each 0 to 1 (Manning, Raghavan and Schütze, "Introduction to
// Information Retrieval", chapter 8).

/** The share of the relevant ids among the first k. */
export function recallAt(k: number, ranking: readonly string[], relevant: ReadonlySet<string>): number {
  return ranking.slice(0, k).filter((id) => relevant.has(id)).length / relevant.size;
}

/** One over the rank of the first relevant id; 0 where none was found. */
export function reciprocalRank(ranking: readonly string[], relevant: ReadonlySet<string>): number {
  const rank = ranking.findIndex((id) => relevant.has(id));
  return rank === -1 ? 0 : 1 / (rank + 1);
}

/** Normalised discounted cumulative gain of the first k, with binary relevance. */
export function ndcgAt(k: number, ranking: readonly string[], relevant: ReadonlySet<string>): number {
  const gain = (position: number) => 1 / Math.log2(position + 2);
  const found = ranking
    .slice(0, k)
    .reduce((sum, id, position) => sum + (relevant.has(id) ? gain(position) : 0), 0);
  const ideal = Array.from({ length: Math.min(k, relevant.size) }, (_, position) => gain(position));
  return found / ideal.reduce((sum, value) => sum + value, 0);
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
