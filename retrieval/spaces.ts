// The embedding space of each project: the model that makes its vectors and the index that holds them. Two models never
// meet in one index, and a project keeps its own until an operator moves it.
import { elasticsearch } from '../domain/deadlines.ts';
import { ProviderError } from '../domain/errors.ts';
import { embeddingModelOf } from '../domain/models.ts';
import type { ProjectAccess } from '../domain/projects.ts';
import type { EmbeddingProvider } from '../providers/embedding.ts';
import type { Providers } from '../providers/registry.ts';
import type { Reranker } from '../providers/rerank/reranker.ts';
import { type ChunkIndex, createChunkIndex } from '../stores/elasticsearch/chunk-index.ts';
import { asProviderError, type Client } from '../stores/elasticsearch/client.ts';
import { chunkIndexPattern } from '../stores/elasticsearch/mapping.ts';

export interface Space {
  /** Throws ProviderError where the project's embedding provider is not set up. */
  readonly embeddings: EmbeddingProvider;
  index: ChunkIndex;
  /** Who orders a search's best once more; undefined for a project that has chosen nobody. */
  reranker: Reranker | undefined;
}

export type Spaces = ReturnType<typeof createSpaces>;

export function createSpaces(deps: {
  client: Client;
  prefix: string;
  providers: Pick<Providers, 'embeddings' | 'reranker'>;
  projects: { access(projectId: string): Promise<ProjectAccess | undefined> };
}) {
  const indices = new Map<string, { index: ChunkIndex; ready: Promise<void> | undefined }>();

  async function of({ projectId, settings, keys }: ProjectAccess): Promise<Space> {
    const model = embeddingModelOf(settings);
    const name = `${model.model} ${model.dimensions}`;
    let found = indices.get(name);
    if (!found) {
      found = {
        index: createChunkIndex(deps.client, { prefix: deps.prefix, space: model }),
        ready: undefined,
      };
      indices.set(name, found);
    }
    const { index } = found;
    // The bundled model's index is made by the migration; the others when somebody first uses them.
    if (model.provider !== 'local') {
      found.ready ??= index.ensure();
      await found.ready.catch((error: unknown) => {
        found.ready = undefined;
        throw error;
      });
    }
    return {
      index,
      reranker: deps.providers.reranker(settings, { projectId, keys }),
      // Only once it is asked for: what is in the index can be removed without access to the provider.
      get embeddings() {
        return deps.providers.embeddings(model, { projectId, keys });
      },
    };
  }

  return {
    of,
    /** The indices of all spaces that there are: for what may be in any of them. */
    async existing(): Promise<ChunkIndex[]> {
      return await asProviderError(async () => {
        const found = await deps.client.indices.get(
          { index: chunkIndexPattern(deps.prefix), features: ['mappings'] },
          { requestTimeout: elasticsearch.search },
        );
        return Object.entries(found).map(([name, { mappings }]) => {
          const { dims = 0 } = mappings?.properties?.vector as { dims?: number };
          return createChunkIndex(deps.client, { name, dimensions: dims });
        });
      });
    },
    /** One question to PostgreSQL, and `of` with its answer. */
    async ofProject(projectId: string): Promise<Space> {
      const access = await deps.projects.access(projectId);
      if (!access) {
        throw new ProviderError('embeddings', 'the project no longer exists.', { retryable: false });
      }
      return await of(access);
    },
  };
}
