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

export interface Search {
  text: string;
  /** Whether the text is not what was asked, but made of it. */
  rewritten?: boolean;
  limit: number;
  documentIds?: readonly string[];
  signal?: AbortSignal;
  /** The project's own, for callers who know it already. */
  space?: Space;
  explained?: (explanation: RetrievalExplanation) => void;
}

/** Hybrid search: BM25 and dense vectors in Elasticsearch, guarded by PostgreSQL, fused here, reranked where the project says so. */
export function createRetriever(deps: {
  spaces: Pick<Spaces, 'ofProject'>;
  chunks: Pick<ChunkStore, 'visible' | 'published'>;
}) {
  /**
   * The best `limit` chunks of the project's published documents, or of some of them, best first; `explained` is told why.
   */
  async function ranking(projectId: string, query: Search): Promise<RankedCandidate[]> {
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
      const visible = await deps.chunks.visible(projectId, [
        ...new Set([...legs.bm25.keys(), ...legs.dense.keys()]),
      ]);
      const exhausted = Math.max(legs.bm25.size, legs.dense.size) < size;
      if (visible.size >= query.limit || exhausted || size === candidateSizes.at(-1)) {
        const { ranked, reranking } = await rerank(reranker, {
          question: text,
          ranked: rank(visible, legs),
          passages: async (ids) => await deps.chunks.published(projectId, ids),
          signal,
        });
        const rewritten = query.rewritten ? text : null;
        query.explained?.(explain({ query: rewritten, legs, ranked, reranking, shown: query.limit }));
        return ranked.slice(0, query.limit);
      }
    }
    return [];
  }

  return {
    ranking,

    /** `ranking`, with what the chunks say. */
    async search(projectId: string, query: Search): Promise<RankedPassage[]> {
      const ranked = await ranking(projectId, query);
      const passages = await deps.chunks.published(
        projectId,
        ranked.map(({ id }) => id),
      );
      const byId = new Map(passages.map((passage) => [passage.chunkId, passage]));
      // What was switched off in this moment is not shown.
      return ranked.flatMap(({ id, ...scores }) => {
        const passage = byId.get(id);
        return passage ? [{ ...passage, scores }] : [];
      });
    },
  };
}

/** Scores are normalised after the guard, so that what a visitor may not see has no say in the ranking. */
function rank(visible: ReadonlySet<string>, legs: { bm25: Leg; dense: Leg }): FusedCandidate[] {
  const guarded = (leg: Leg): Leg => new Map([...leg].filter(([id]) => visible.has(id)));
  return fuse(guarded(legs.bm25), guarded(legs.dense));
}
