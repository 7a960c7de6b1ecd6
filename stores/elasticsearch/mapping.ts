import type { estypes } from '@elastic/elasticsearch';

/**
 * One index for each embedding space: vectors of different models or sizes never meet. All projects share it, routed
 * and filtered by project.
 */
export function chunkIndexName(prefix: string, space: { model: string; dimensions: number }): string {
  const model = space.model.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  return `${prefix}-chunks-${model}-${space.dimensions}`;
}

/** The names of all of them. */
export const chunkIndexPattern = (prefix: string): string => `${prefix}-chunks-*`;

export function chunkIndexSettings(
  dimensions: number,
): Pick<estypes.IndicesCreateRequest, 'settings' | 'mappings'> {
  return {
    settings: {
      number_of_shards: 1,
      auto_expand_replicas: '0-1',
      // Explicit, because by default an index that nobody searched for a while stops refreshing.
      refresh_interval: '500ms',
    },
    mappings: {
      dynamic: 'strict',
      // The text is read from PostgreSQL. Without a source a partial update fails, instead of losing the vector.
      _source: { enabled: false },
      properties: {
        // The chunk's id again, as a column: a search that returns `_id` unpacks stored fields for every candidate, which
        // takes four times as long as the rest of the search.
        chunk_id: { type: 'keyword', index: false },
        project_id: { type: 'keyword' },
        document_id: { type: 'keyword' },
        live: { type: 'boolean' },
        title: { type: 'text', analyzer: 'standard' },
        heading: { type: 'text', analyzer: 'standard' },
        text: { type: 'text', analyzer: 'standard' },
        vector: {
          type: 'dense_vector',
          dims: dimensions,
          similarity: 'cosine',
          index: true,
          // Explicit, because the default depends on the version and the dimensions.
          index_options: { type: 'int8_hnsw', m: 16, ef_construction: 100 },
        },
      },
    },
  };
}
