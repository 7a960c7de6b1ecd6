import type { EmbeddingProvider } from '../providers/embedding.ts';
import type { Passage } from '../providers/generation.ts';
import type { ChunkIndex } from '../stores/elasticsearch/chunk-index.ts';
import { fuse, type Leg } from '../stores/elasticsearch/fusion.ts';
import type { ChunkStore } from '../stores/postgres/chunks.ts';

export type Retriever = ReturnType<typeof createRetriever>;

export interface RankedPassage extends Passage {
  scores: { bm25: number | null; dense: number | null; fused: number };
}

/** Candidates of each leg; the larger sizes are asked for only when the guard dropped too many of the smaller. */
const candidateSizes = [100, 1_000];

/** Hybrid search: BM25 and dense vectors in Elasticsearch, guarded by PostgreSQL, fused here. */
export function createRetriever(deps: {
  embeddings: EmbeddingProvider;
  index: ChunkIndex;
  chunks: Pick<ChunkStore, 'published'>;
}) {
  return {
    /** The best `limit` passages of the project's published documents, or of some of them, best first. */
    async search(
      projectId: string,
      query: { text: string; limit: number; documentIds?: readonly string[]; signal?: AbortSignal },
    ): Promise<RankedPassage[]> {
      const { signal } = query;
      if (query.documentIds?.length === 0) return [];
      const [vector] = await deps.embeddings.embed([query.text], {
        purpose: 'query',
        ...(signal ? { signal } : {}),
      });
      for (const size of candidateSizes) {
        const { text, documentIds } = query;
        const legs = await deps.index.search({ projectId, text, documentIds, vector: vector!, size }, signal);
        const passages = await deps.chunks.published(projectId, [
          ...new Set([...legs.bm25.keys(), ...legs.dense.keys()]),
        ]);
        const exhausted = Math.max(legs.bm25.size, legs.dense.size) < size;
        if (passages.length >= query.limit || exhausted || size === candidateSizes.at(-1)) {
          return rank(passages, legs).slice(0, query.limit);
        }
      }
      return [];
    },
  };
}

/** Scores are normalised after the guard, so that what a visitor may not see has no say in the ranking. */
function rank(passages: readonly Passage[], legs: { bm25: Leg; dense: Leg }): RankedPassage[] {
  const byId = new Map(passages.map((passage) => [passage.chunkId, passage]));
  const visible = (leg: Leg): Leg => new Map([...leg].filter(([id]) => byId.has(id)));
  return fuse(visible(legs.bm25), visible(legs.dense)).map(({ id, bm25, dense, fused }) => ({
    ...byId.get(id)!,
    scores: { bm25, dense, fused },
  }));
}
