import { embeddingText } from '../../domain/chunking.ts';
import type { EmbeddingProvider } from '../../providers/embedding.ts';
import type { Space } from '../../retrieval/spaces.ts';
import type { Stores } from '../../stores/postgres/index.ts';
import { embedPaced } from './pacing.ts';

/** Chunks taken at a time: enough to keep every embedding thread busy, little enough to lose when a worker dies. */
const embeddingPage = 64;
const indexingPage = 250;

export interface VersionKey {
  projectId: string;
  documentId: string;
  version: number;
}

interface Work {
  signal: AbortSignal;
  /** Before each page: throws where there is no sense in going on. */
  check: () => Promise<unknown>;
  /** After each page, with the chunks that are done. */
  done: (chunks: number) => Promise<void>;
}

/** Embeds the texts of a version that this model has not embedded yet. Throws NotBefore where it has to wait. */
export async function embedVersion(
  { stores }: { stores: Pick<Stores, 'chunks' | 'embeddings' | 'embeddingPaces'> },
  { projectId, documentId, version }: VersionKey,
  embeddings: EmbeddingProvider,
  { signal, check, done, now }: Work & { now: () => Date },
): Promise<void> {
  const { model } = embeddings;
  for (let afterOrdinal = -1; ; ) {
    await check();
    signal.throwIfAborted();
    const page = await stores.chunks.withoutEmbedding(projectId, documentId, version, model, {
      afterOrdinal,
      limit: embeddingPage,
    });
    const last = page.at(-1);
    if (!last) return;
    const texts = page.map((chunk) => embeddingText(chunk.title, chunk));
    const vectors = await embedPaced({ stores }, embeddings, texts, { signal, now });
    await stores.embeddings.put(
      projectId,
      model,
      page.map((chunk, position) => ({ hash: chunk.hash, vector: vectors[position]! })),
    );
    afterOrdinal = last.ordinal;
    await done(afterOrdinal + 1);
  }
}

/** Writes a version's chunks, or its edited ones, to a space's index; returns their ids once searches can find them. */
export async function indexVersion(
  { stores }: { stores: Pick<Stores, 'chunks'> },
  { projectId, documentId, version }: VersionKey,
  { index, model: { model } }: Pick<Space, 'index' | 'model'>,
  { signal, check, done, only = 'all' }: Work & { only?: 'all' | 'edited' },
): Promise<string[]> {
  await index.ensure();
  const ids: string[] = [];
  for (let afterOrdinal = -1; ; ) {
    await check();
    signal.throwIfAborted();
    // One more than is written, to know the last page: only that one waits until searches find it.
    const found = await stores.chunks.withEmbedding(projectId, documentId, version, model, {
      afterOrdinal,
      limit: indexingPage + 1,
      only,
    });
    const page = found.slice(0, indexingPage).map((chunk) => ({ ...chunk, documentId }));
    const visible = found.length <= indexingPage;
    await index.put(projectId, page, { visible, signal });
    ids.push(...page.map(({ id }) => id));
    afterOrdinal = page.at(-1)?.ordinal ?? afterOrdinal;
    await done(afterOrdinal + 1);
    if (visible) return ids;
  }
}
