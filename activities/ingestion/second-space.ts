import { ProviderError } from '../../domain/errors.ts';
import { spaceNameOf } from '../../domain/rebuilds.ts';
import type { Space, Spaces } from '../../retrieval/spaces.ts';
import type { Stores } from '../../stores/postgres/index.ts';
import { embedVersion, indexVersion, type VersionKey } from './indexing.ts';
import { NotBefore } from './pacing.ts';

/**
 * Writes a version, or its edited chunks, to the second space as well while the project's index is rebuilt. A provider of
 * that space that is away delays no document: the rebuild catches up with what is missing before it switches.
 */
export async function indexBeside(
  { stores, spaces }: { stores: Stores; spaces: Pick<Spaces, 'ofProject'> },
  key: VersionKey,
  second: Space,
  work: { signal: AbortSignal; only: 'all' | 'edited'; check: () => Promise<unknown> },
): Promise<void> {
  const { projectId } = key;
  const name = spaceNameOf(second.model);
  const all = { ...work, done: async () => {}, now: () => new Date() };
  try {
    await embedVersion({ stores }, key, second.embeddings, all);
  } catch (error) {
    if (!(error instanceof NotBefore) && !(error instanceof ProviderError)) throw error;
    await stores.rebuilds.markIndexed(projectId, key, name, false);
    // It has become the project's own meanwhile: then this step is tried again.
    if (spaceNameOf((await spaces.ofProject(projectId)).model) === name) {
      throw new ProviderError(second.model.provider, error.message, { retryable: true });
    }
    return;
  }
  await indexVersion({ stores }, key, second, all);
  if (work.only === 'all') await stores.rebuilds.markIndexed(projectId, key, name, true);
}
