import type { estypes } from '@elastic/elasticsearch';
import { elasticsearch as timeouts, probe } from '../../domain/deadlines.ts';
import { ProviderError } from '../../domain/errors.ts';
import { asProviderError, type Client, describe } from './client.ts';
import type { Leg } from './fusion.ts';
import { blocksIn, differencesBetween, type IndexInspection } from './inspection.ts';
import { chunkIndexName, chunkIndexSettings } from './mapping.ts';
import {
  bm25Query,
  type ChunkQuery,
  cosineOf,
  denseQuery,
  filterOf,
  maxQueryLength,
  scoresOf,
} from './queries.ts';
import { frequenciesRequest, type WeighedWord, weigh, wordsFrom, wordsRequest } from './words.ts';

export type ChunkIndex = ReturnType<typeof createChunkIndex>;

export interface IndexedChunk {
  id: string;
  documentId: string;
  title: string;
  headingPath: readonly string[];
  text: string;
  vector: Float32Array;
}

/** How long Elasticsearch itself holds a write while its shard is starting: longer ones are tried again by us. */
const bulkWait = `${timeouts.shardWait}ms`;

type WordCounts = { words: { buckets: { doc_count: number }[] } };
type BulkItem = { status?: number; error?: { type?: string; reason?: string | null } };

/** The derived index of one embedding space. Every call takes the project first, filters and routes by it. */
export function createChunkIndex(
  client: Client,
  options:
    | { prefix: string; space: { model: string; dimensions: number } }
    | { name: string; dimensions: number },
) {
  const index = 'name' in options ? options.name : chunkIndexName(options.prefix, options.space);
  const { dimensions } = 'name' in options ? options : options.space;

  /** What others keep in the cluster is not looked at. A pattern, because an index that is missing would be waited for. */
  const ofIndex = { index: `${index}*`, timeout: '1s' } as const;

  async function bulk(
    projectId: string,
    operations: unknown[],
    visible: boolean,
    signal?: AbortSignal,
  ): Promise<void> {
    if (operations.length === 0) return;
    await asProviderError(async () => {
      const result = await client.bulk(
        // wait_for: returns once the next refresh has made the changes searchable
        { index, routing: projectId, operations, refresh: visible ? 'wait_for' : false, timeout: bulkWait },
        { requestTimeout: timeouts.write, ...(signal ? { signal } : {}) },
      );
      if (!result.errors) return;
      for (const item of result.items.map((entry) => Object.values(entry)[0] as BulkItem)) {
        // Removing what is not there is fine: the removal ran before.
        if (!item.error) continue;
        const status = item.status ?? 500;
        const type = item.error.type ?? 'error';
        throw new ProviderError('Elasticsearch', describe(status, type), {
          // 404: the index is being rebuilt. What a worker does next creates it where it is still missing.
          retryable: status >= 500 || status === 429 || status === 403 || status === 404,
        });
      }
    });
  }

  return {
    name: index,

    /** Creates the index where it is missing. */
    async ensure(): Promise<void> {
      await asProviderError(async () => {
        if (await client.indices.exists({ index })) return;
        await client.indices.create(
          { index, ...chunkIndexSettings(dimensions) },
          // Another process may have created it in between.
          { ignore: [400], requestTimeout: timeouts.write },
        );
      });
    },

    /** Writes chunks under their own ids: writing again replaces. With `visible`, waits until searches find them. */
    async put(
      projectId: string,
      chunks: readonly IndexedChunk[],
      options: { visible: boolean; signal?: AbortSignal },
    ): Promise<void> {
      const operations = chunks.flatMap((chunk) => [
        { index: { _id: chunk.id } },
        {
          chunk_id: chunk.id,
          project_id: projectId,
          document_id: chunk.documentId,
          live: true,
          title: chunk.title,
          heading: chunk.headingPath.join('\n'),
          text: chunk.text,
          vector: Array.from(chunk.vector),
        },
      ]);
      await bulk(projectId, operations, options.visible, options.signal);
    },

    /** Removes chunks by id; those that are not there are no error. */
    async remove(projectId: string, chunkIds: readonly string[], signal?: AbortSignal): Promise<void> {
      const size = 1_000;
      for (let from = 0; from < chunkIds.length; from += size) {
        const operations = chunkIds.slice(from, from + size).map((id) => ({ delete: { _id: id } }));
        await bulk(projectId, operations, false, signal);
      }
    },

    /** Removes all that a search finds of a project. */
    async removeProject(
      projectId: string,
      onRemoved: (total: number) => void,
      signal?: AbortSignal,
    ): Promise<void> {
      let removed = 0;
      for (;;) {
        const { hits } = await asProviderError(() =>
          client.search(
            {
              index,
              routing: projectId,
              size: 1_000,
              stored_fields: '_none_',
              docvalue_fields: ['chunk_id'],
              track_total_hits: false,
              query: { term: { project_id: projectId } },
            },
            { requestTimeout: timeouts.write, ...(signal ? { signal } : {}) },
          ),
        );
        const ids = hits.hits.map(({ fields }) => (fields as { chunk_id: [string] }).chunk_id[0]);
        if (ids.length === 0) return;
        // Visible at once, or the next search finds the same again.
        const operations = ids.map((id) => ({ delete: { _id: id } }));
        await bulk(projectId, operations, true, signal);
        removed += ids.length;
        onRemoved(removed);
      }
    },

    /** The words of a text that occur in the project, for `search`. */
    async words(projectId: string, text: string, signal?: AbortSignal): Promise<WeighedWord[]> {
      const limits = { requestTimeout: timeouts.search, ...(signal ? { signal } : {}) };
      const where = { index, routing: projectId };
      return await asProviderError(async () => {
        const all = wordsFrom(
          await client.termvectors({ ...where, ...wordsRequest(text.slice(0, maxQueryLength)) }, limits),
        );
        if (all.words.length === 0) return [];
        const { hits, aggregations } = await client.search<unknown, WordCounts>(
          { ...where, ...frequenciesRequest(filterOf({ projectId }), all.words) },
          limits,
        );
        return weigh(all, {
          chunks: (hits.total as estypes.SearchTotalHits).value,
          frequencies: aggregations!.words.buckets.map((bucket) => bucket.doc_count),
        });
      });
    },

    /** Both legs in one round trip. Scores are raw: BM25, and cosine similarity. */
    async search(query: ChunkQuery, signal?: AbortSignal): Promise<{ bm25: Leg; dense: Leg }> {
      return await asProviderError(async () => {
        const header = { index, routing: query.projectId };
        const { responses } = await client.msearch(
          { searches: [header, bm25Query(query), header, denseQuery(query)] },
          { requestTimeout: timeouts.search, ...(signal ? { signal } : {}) },
        );
        const [bm25, dense] = responses.map((response) => {
          if ('error' in response) {
            throw new ProviderError('Elasticsearch', describe(response.status ?? 500, response.error.type), {
              retryable: true,
            });
          }
          return response.hits.hits;
        });
        const cosines = [...scoresOf(dense!)].map(([id, score]) => [id, cosineOf(score)] as const);
        return { bm25: scoresOf(bm25!), dense: new Map(cosines) };
      });
    },

    /** Chunks of a project, or all. Counts what a search can find now. */
    async count(projectId?: string): Promise<number> {
      return await asProviderError(async () => {
        const result = await client.count(
          projectId ? { index, routing: projectId, query: { term: { project_id: projectId } } } : { index },
          { requestTimeout: timeouts.search },
        );
        return result.count;
      });
    },

    /** Makes all that was written visible to searches now. */
    async refresh(): Promise<void> {
      await asProviderError(() => client.indices.refresh({ index }, { requestTimeout: timeouts.write }));
    },

    /** Removes the index with all it holds. It can be rebuilt from PostgreSQL (`frontdesk rebuild-index`). */
    async drop(): Promise<void> {
      await asProviderError(() =>
        client.indices.delete({ index, ignore_unavailable: true }, { requestTimeout: timeouts.write }),
      );
    },

    /** The next chunks of all projects, in the order of their ids. Sees what a search can find now. */
    async scan(after: string | undefined, size: number): Promise<{ id: string; projectId: string }[]> {
      return await asProviderError(async () => {
        const result = await client.search(
          {
            index,
            size,
            stored_fields: '_none_',
            docvalue_fields: ['chunk_id', 'project_id'],
            track_total_hits: false,
            // By a column of our own: sorting by `_id` is off by default, as it takes memory for every document.
            sort: [{ chunk_id: 'asc' }],
            query: { exists: { field: 'chunk_id' } },
            ...(after === undefined ? {} : { search_after: [after] }),
          },
          { requestTimeout: timeouts.write },
        );
        return result.hits.hits.map(({ fields }) => {
          const { chunk_id: id, project_id: projectId } = fields as Record<string, [string]>;
          return { id: id![0], projectId: projectId![0] };
        });
      });
    },

    /** Of these chunks, those that are in the index now, whether or not a search finds them yet. */
    async existing(chunks: readonly { id: string; projectId: string }[]): Promise<Set<string>> {
      if (chunks.length === 0) return new Set();
      return await asProviderError(async () => {
        const { docs } = await client.mget(
          {
            index,
            docs: chunks.map(({ id, projectId }) => ({ _id: id, routing: projectId, _source: false })),
          },
          { requestTimeout: timeouts.write },
        );
        return new Set(docs.flatMap((found) => ('found' in found && found.found ? [found._id] : [])));
      });
    },

    /** How many chunks a search can find now in each project. */
    async countByProject(): Promise<Map<string, number>> {
      const counts = new Map<string, number>();
      let after: { project: string } | undefined;
      do {
        const page = await asProviderError(() =>
          client.search<unknown, { projects: estypes.AggregationsCompositeAggregate }>(
            {
              index,
              size: 0,
              aggregations: {
                projects: {
                  composite: {
                    size: 1_000,
                    sources: [{ project: { terms: { field: 'project_id' } } }],
                    ...(after ? { after } : {}),
                  },
                },
              },
            },
            { requestTimeout: timeouts.write },
          ),
        );
        const projects = page.aggregations!.projects;
        for (const { key, doc_count } of projects.buckets as estypes.AggregationsCompositeBucket[]) {
          counts.set(key.project as string, doc_count);
        }
        after = projects.after_key as typeof after;
      } while (after);
      return counts;
    },

    /** The index's health, the blocks on writing, and how the index differs from what `ensure` would create. */
    async inspect(): Promise<IndexInspection> {
      return await asProviderError(async () => {
        const wait = { requestTimeout: timeouts.search };
        const health = await client.cluster.health(ofIndex, wait);
        const cluster = await client.cluster.getSettings({ flat_settings: true }, wait);
        const exists = await client.indices.exists({ index }, wait);
        const found = exists
          ? await client.indices.get({ index, features: ['mappings', 'settings'], flat_settings: true }, wait)
          : {};
        const { mappings, settings } = Object.values(found)[0] ?? {};
        const expected = chunkIndexSettings(dimensions).mappings;
        return {
          status: health.status,
          exists,
          blocks: [...blocksIn(cluster.persistent), ...blocksIn(cluster.transient), ...blocksIn(settings)],
          differences: exists ? differencesBetween(expected, mappings, 'mapping') : [],
        };
      });
    },

    /** Rejects when the cluster does not answer, or cannot serve the index. */
    async ping(): Promise<void> {
      await asProviderError(async () => {
        const health = await client.cluster.health(ofIndex, { requestTimeout: probe });
        if (health.status === 'red')
          throw new ProviderError('Elasticsearch', 'a part of the index is not there', { retryable: true });
      });
    },
  };
}
