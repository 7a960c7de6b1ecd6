import { models as timing } from '../domain/deadlines.ts';
import { ProviderError } from '../domain/errors.ts';
import type { Reranking } from '../domain/retrieval.ts';
import type { Passage } from '../providers/generation.ts';
import type { Reranker } from '../providers/rerank/reranker.ts';
import type { FusedCandidate } from '../stores/elasticsearch/fusion.ts';

export interface RankedCandidate extends FusedCandidate {
  /** How well it answers the question, as the reranker says: mostly 0 to 1; null where it was not asked. */
  rerank: number | null;
}

/**
 * Orders the best candidates once more, by the reranker's scores; the others stay behind them. A reranker that fails or is
 * too slow changes nothing, and what was wrong is told.
 */
export async function rerank(
  reranker: Reranker | undefined,
  search: {
    question: string;
    /** Best first. */
    ranked: readonly FusedCandidate[];
    /** What chunks say; one that has just been switched off is missing. */
    passages: (ids: readonly string[]) => Promise<Passage[]>;
    signal: AbortSignal | undefined;
  },
): Promise<{ ranked: RankedCandidate[]; reranking: Reranking | null }> {
  const { question, signal } = search;
  const notReranked = (candidate: FusedCandidate) => ({ ...candidate, rerank: null });
  if (!reranker) return { ranked: search.ranked.map(notReranked), reranking: null };
  const { name: provider, model } = reranker;
  const first = search.ranked.slice(0, reranker.candidates);
  const passages = await search.passages(first.map(({ id }) => id));
  const byId = new Map(passages.map((passage) => [passage.chunkId, passage]));
  const best = first.filter(({ id }) => byId.has(id));
  const unchanged = [...best, ...search.ranked.slice(first.length)].map(notReranked);
  const limit = AbortSignal.timeout(timing.rerank);
  try {
    const texts = best.map(({ id }) => textOf(byId.get(id)!));
    const scores =
      texts.length > 0
        ? await reranker.rerank(question, texts, signal ? AbortSignal.any([signal, limit]) : limit)
        : [];
    const reordered = best
      .map((candidate, at) => ({ ...candidate, rerank: scores[at]! }))
      .sort((a, b) => b.rerank - a.rerank);
    return {
      ranked: [...reordered, ...unchanged.slice(best.length)],
      reranking: { provider, model, failure: null },
    };
  } catch (error) {
    signal?.throwIfAborted();
    const failure = limit.aborted
      ? `${provider}: no scores within ${timing.rerank / 1000} s.`
      : error instanceof ProviderError
        ? error.message
        : undefined;
    if (failure === undefined) throw error;
    return { ranked: unchanged, reranking: { provider, model, failure } };
  }
}

/** A passage with what stands above it: "It costs 19 euros." is about what its headings say. */
function textOf({ title, headingPath, text }: Passage): string {
  const above = [...new Set([title, ...headingPath])].filter(Boolean).join(' › ');
  return `${above}\n${text}`;
}
