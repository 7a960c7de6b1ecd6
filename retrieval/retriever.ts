import type { RetrievalExplanation } from '../domain/retrieval.ts';
import type { Passage } from '../providers/generation.ts';
import { type FusedCandidate, fuse, type Leg } from '../stores/elasticsearch/fusion.ts';
import type { ChunkStore } from '../stores/postgres/chunks.ts';
import { explain } from './explain.ts';
import { type RankedCandidate, rerank } from './rerank.ts';
import type { Space, Spaces } from './spaces.ts';

export type Retriever = ReturnType<typeof createRetriever>;

export interface RankedPassage extends Passage {
  scores: { bm25: number | null; dense: number | null; fused: number; rerank: number | null };
}

/** Candidates of each leg; the larger sizes are asked for only when the guard dropped too many of the smaller. */
const candidateSizes = [100, 1_000];

/** Hybrid search: BM25 and dense vectors in Elasticsearch, guarded by PostgreSQL, fused here, reranked where the project says so. */
export function createRetriever(deps: {
  spaces: Pick<Spaces, 'ofProject'>;
  chunks: Pick<ChunkStore, 'published'>;
}) {
  return {
    /**
     * The best `limit` passages of the project's published documents, or of some of them, best first; `explained` is told why. `space` is the
     * project's own, for callers who know it already.
     */
    async search(
      projectId: string,
      query: {
        text: string;
        /** Whether the text is not what was asked, but made of it. */
        rewritten?: boolean;
        limit: number;
        documentIds?: readonly string[];
        signal?: AbortSignal;
        space?: Space;
        explained?: (explanation: RetrievalExplanation) => void;
      },
    ): Promise<RankedPassage[]> {
      const { signal } = query;
      if (query.documentIds?.length === 0) return [];
      const { embeddings, index, reranker } = query.space ?? (await deps.spaces.ofProject(projectId));
      const { text, documentIds } = query;
      const [[vector], words] = await Promise.all([
        embeddings.embed([text], { purpose: 'query', ...(signal ? { signal } : {}) }),
        index.words(projectId, text, signal),
      ]);
      for (const size of candidateSizes) {
        const legs = await index.search({ projectId, words, documentIds, vector: vector!, size }, signal);
        const passages = await deps.chunks.published(projectId, [
          ...new Set([...legs.bm25.keys(), ...legs.dense.keys()]),
        ]);
        const exhausted = Math.max(legs.bm25.size, legs.dense.size) < size;
        if (passages.length >= query.limit || exhausted || size === candidateSizes.at(-1)) {
          const byId = new Map(passages.map((passage) => [passage.chunkId, passage]));
          const { ranked, reranking } = await rerank(reranker, {
            question: text,
            ranked: rank(passages, legs),
            passages: byId,
            signal,
          });
          const rewritten = query.rewritten ? text : null;
          query.explained?.(explain({ query: rewritten, legs, ranked, reranking, shown: query.limit }));
          return ranked.slice(0, query.limit).map((candidate) => passageOf(candidate, byId));
        }
      }
      return [];
    },
  };
}

/** Scores are normalised after the guard, so that what a visitor may not see has no say in the ranking. */
function rank(passages: readonly Passage[], legs: { bm25: Leg; dense: Leg }): FusedCandidate[] {
  const published = new Set(passages.map((passage) => passage.chunkId));
  const visible = (leg: Leg): Leg => new Map([...leg].filter(([id]) => published.has(id)));
  return fuse(visible(legs.bm25), visible(legs.dense));
}

function passageOf(
  { id, ...scores }: RankedCandidate,
  passages: ReadonlyMap<string, Passage>,
): RankedPassage {
  return { ...passages.get(id)!, scores };
}
