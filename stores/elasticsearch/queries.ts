import type { estypes } from '@elastic/elasticsearch';

// Pure builders of the two legs of a search. Both carry the same filter: inside the knn clause too, because a filter
// applied after it would leave fewer than k neighbours.

export interface ChunkQuery {
  projectId: string;
  text: string;
  vector: Float32Array;
  /** Candidates of each leg. */
  size: number;
  /** Only chunks of these documents; at most what Elasticsearch takes in one clause (65,536). */
  documentIds?: readonly string[] | undefined;
}

/** Longer questions are cut for BM25: every word is a clause, and the words of a long text rank nothing. */
const maxQueryLength = 1_000;

const filterOf = ({
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
  text,
  size,
}: Omit<ChunkQuery, 'vector'>): estypes.SearchSearchRequestBody {
  return {
    ...idsOnly,
    size,
    query: {
      bool: {
        filter: filterOf({ projectId, documentIds }),
        must: {
          multi_match: {
            query: text.slice(0, maxQueryLength),
            // As if the three were one field: "shipping" in a title and "Norway" in the text are one match.
            type: 'cross_fields',
            fields: ['text', 'heading', 'title'],
          },
        },
      },
    },
  };
}

export function denseQuery({
  projectId,
  documentIds,
  vector,
  size,
}: Omit<ChunkQuery, 'text'>): estypes.SearchSearchRequestBody {
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
