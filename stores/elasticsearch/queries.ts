import type { estypes } from '@elastic/elasticsearch';
import type { WeighedWord } from './words.ts';

// Pure builders of the two legs of a search. Both carry the same filter: inside the knn clause too, because a filter
// applied after it would leave fewer than k neighbours.

export interface ChunkQuery {
  projectId: string;
  words: readonly WeighedWord[];
  vector: Float32Array;
  /** Candidates of each leg. */
  size: number;
  /** Only chunks of these documents; at most what Elasticsearch takes in one clause (65,536). */
  documentIds?: readonly string[] | undefined;
}

/** Longer questions are cut for BM25: every word is a clause, and the words of a long text rank nothing. */
export const maxQueryLength = 1_000;

export const searchedFields = ['text', 'heading', 'title'] as const;

export const filterOf = ({
  projectId,
  documentIds,
}: Pick<ChunkQuery, 'projectId' | 'documentIds'>): estypes.QueryDslQueryContainer[] => [
  { term: { project_id: projectId } },
  { term: { live: true } },
  ...(documentIds ? [{ terms: { document_id: [...documentIds] } }] : []),
];

const idsOnly: estypes.SearchSearchRequestBody = {
  stored_fields: '_none_',
  docvalue_fields: ['chunk_id'],
  track_total_hits: false,
};

export function bm25Query({
  projectId,
  documentIds,
  words,
  size,
}: Omit<ChunkQuery, 'vector'>): estypes.SearchSearchRequestBody {
  return {
    ...idsOnly,
    size,
    query: {
      bool: {
        filter: filterOf({ projectId, documentIds }),
        minimum_should_match: 1,
        should: words.map(({ word, boost }) => ({
          multi_match: {
            query: word,
            boost,
            // It is a word of the index already.
            analyzer: 'keyword',
            // As if the three were one field: "shipping" in a title and "Norway" in the text are one match.
            type: 'cross_fields',
            fields: [...searchedFields],
          },
        })),
      },
    },
  };
}

export function denseQuery({
  projectId,
  documentIds,
  vector,
  size,
}: Omit<ChunkQuery, 'words'>): estypes.SearchSearchRequestBody {
  return {
    ...idsOnly,
    size,
    knn: {
      field: 'vector',
      query_vector: Array.from(vector),
      k: size,
      num_candidates: Math.min(10_000, Math.ceil(size * 1.5)),
      filter: filterOf({ projectId, documentIds }),
    },
  };
}

/** Elasticsearch scores cosine similarity as (1 + cosine) / 2. */
export const cosineOf = (score: number): number => 2 * score - 1;

/** A leg's answer: the raw score of each chunk. */
export function scoresOf(hits: readonly estypes.SearchHit[]): Map<string, number> {
  return new Map(hits.map((hit) => [(hit.fields as { chunk_id: [string] }).chunk_id[0], hit._score!]));
}
