// `frontdesk rebuild-index`: makes Elasticsearch hold what PostgreSQL says it should, from PostgreSQL alone. Vectors
// are read where ingestion left them, so no embedding provider is asked.
//
// It is safe beside running workers. What it writes, it looks up again afterwards: a document that was deleted or
// replaced meanwhile has had its removal from the index before or after, and in both cases its chunks go. What it
// removes, it looks up just before; chunks of a version that is being ingested are left alone.
import type { ChunkIndex } from '../stores/elasticsearch/chunk-index.ts';
import type { ChunkRef, DiagnosticsStore, LiveChunk } from '../stores/postgres/diagnostics.ts';
import { isOrphan, walk } from './index-difference.ts';

export interface Rebuilt {
  /** Chunks of published documents. */
  total: number;
  written: number;
  removed: number;
  /** Chunks whose vector PostgreSQL does not have, with the documents that have them. */
  withoutEmbedding: number;
  documentsWithoutEmbedding: Set<string>;
  /** With `drop`: documents that were being ingested then, and may lack chunks that went with the old index. */
  ingestingAtDrop: number;
}

export interface Progress {
  done: number;
  total: number;
}

interface Dependencies {
  diagnostics: DiagnosticsStore;
  index: ChunkIndex;
  /** The embedding model whose vectors the index holds. */
  model: string;
}

/** A few megabytes of vectors a request. */
const batch = 500;
const dropTries = 5;

/** Can be interrupted at any time: run again (without `drop`), it does what is left. */
export async function rebuildIndex(
  { diagnostics, index, model }: Dependencies,
  options: { drop: boolean; onProgress: (progress: Progress) => void },
): Promise<Rebuilt> {
  const rebuilt: Rebuilt = {
    total: 0,
    written: 0,
    removed: 0,
    withoutEmbedding: 0,
    documentsWithoutEmbedding: new Set(),
    ingestingAtDrop: 0,
  };
  if (options.drop) {
    rebuilt.ingestingAtDrop = await diagnostics.ingesting();
    await recreate(index);
  } else {
    await index.ensure();
  }
  await index.refresh();
  for (const chunks of (await diagnostics.liveCounts()).values()) rebuilt.total += chunks;

  const missing: ChunkRef[] = [];
  const unexpected: ChunkRef[] = [];
  let done = 0;
  for await (const { chunk, is } of walk(diagnostics, index)) {
    if (is === 'missing' && missing.push(chunk) === batch) await write(missing.splice(0));
    if (is === 'unexpected' && unexpected.push(chunk) === batch) await removeOrphans(unexpected.splice(0));
    if (is !== 'unexpected') done += 1;
    options.onProgress({ done, total: rebuilt.total });
  }
  await write(missing);
  await removeOrphans(unexpected);
  await index.refresh();
  return rebuilt;

  async function write(chunks: readonly ChunkRef[]): Promise<void> {
    const live = await diagnostics.toIndex(
      chunks.map(({ id }) => id),
      model,
    );
    const complete = live.filter((chunk): chunk is LiveChunk & { vector: Float32Array } => {
      if (chunk.vector) return true;
      rebuilt.withoutEmbedding += 1;
      rebuilt.documentsWithoutEmbedding.add(chunk.documentId);
      return false;
    });
    for (const [projectId, own] of byProject(complete)) await index.put(projectId, own, { visible: false });
    rebuilt.written += complete.length;
    // One that was deleted since it was read may have been removed from the index before it was written.
    await removeOrphans(complete);
  }

  async function removeOrphans(chunks: readonly ChunkRef[]): Promise<void> {
    const states = await diagnostics.states(chunks.map(({ id }) => id));
    const orphans = chunks.filter(({ id }) => isOrphan(states.get(id)));
    for (const [projectId, own] of byProject(orphans)) {
      await index.remove(
        projectId,
        own.map(({ id }) => id),
      );
    }
    rebuilt.removed += orphans.length;
  }
}

/**
 * A worker that writes between the removal and the creation makes Elasticsearch create an index of its own guess, so
 * look at what is there, and try again.
 */
async function recreate(index: ChunkIndex): Promise<void> {
  for (let attempt = 1; attempt <= dropTries; attempt += 1) {
    await index.drop();
    await index.ensure();
    if ((await index.inspect()).differences.length === 0) return;
  }
  throw new Error(
    `${index.name} is created by others as soon as it is removed. Stop the workers, and run again.`,
  );
}

function byProject<T extends { projectId: string }>(chunks: readonly T[]): Map<string, T[]> {
  return Map.groupBy(chunks, ({ projectId }) => projectId);
}
