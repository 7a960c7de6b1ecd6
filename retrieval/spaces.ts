// The embedding space of each project: the model that makes its vectors and the index that holds them. Two models never
// meet in one index, and a project keeps its own until an operator moves it.
import { elasticsearch } from '../domain/deadlines.ts';
import { ProviderError } from '../domain/errors.ts';
import { type EmbeddingModel, embeddingModelOf } from '../domain/models.ts';
import type { IndexAccess, ProjectAccess } from '../domain/projects.ts';
import { spaceNameOf } from '../domain/rebuilds.ts';
import type { EmbeddingProvider } from '../providers/embedding.ts';
import type { Providers } from '../providers/registry.ts';
import type { Reranker } from '../providers/rerank/reranker.ts';
import { type ChunkIndex, createChunkIndex } from '../stores/elasticsearch/chunk-index.ts';
import { asProviderError, type Client } from '../stores/elasticsearch/client.ts';
import { chunkIndexPattern } from '../stores/elasticsearch/mapping.ts';

export interface Space {
  model: EmbeddingModel;
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
  projects: { access(projectId: string): Promise<IndexAccess | undefined> };
}) {
  const indices = new Map<string, { index: ChunkIndex; ready: Promise<void> | undefined }>();

  async function spaceOf(
    { projectId, settings, keys }: ProjectAccess,
    model: EmbeddingModel,
  ): Promise<Space> {
    const name = spaceNameOf(model);
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
      model,
      index,
      reranker: deps.providers.reranker(settings, { projectId, keys }),
      // Only once it is asked for: what is in the index can be removed without access to the provider.
      get embeddings() {
        return deps.providers.embeddings(model, { projectId, keys });
      },
    };
  }

  const of = (access: ProjectAccess): Promise<Space> => spaceOf(access, embeddingModelOf(access.settings));

  async function accessOf(projectId: string): Promise<IndexAccess> {
    const access = await deps.projects.access(projectId);
    if (access) return access;
    throw new ProviderError('embeddings', 'the project no longer exists.', { retryable: false });
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
      return await of(await accessOf(projectId));
    },

    /** The space of a project for a model that it may not have chosen. */
    async ofModel(projectId: string, model: EmbeddingModel): Promise<Space> {
      return await spaceOf(await accessOf(projectId), model);
    },

    /** The project's space, and the second one while its index is rebuilt with another model. */
    async written(projectId: string): Promise<[own: Space, ...second: Space[]]> {
      const access = await accessOf(projectId);
      const own = await of(access);
      return access.secondModel ? [own, await spaceOf(access, access.secondModel)] : [own];
    },
  };
}
