import type { Query, Sql } from './client.ts';

export type EmbeddingStore = ReturnType<typeof createEmbeddingStore>;

/** Vectors by content and model: content that comes again costs nothing, and Elasticsearch can be rebuilt from them. */
/** Removes those of these vectors whose text no chunk has any more. */
export async function removeUnusedEmbeddings(
  query: Query,
  projectId: string,
  hashes: readonly Uint8Array[],
): Promise<void> {
  await query`
    delete from embeddings e where project_id = ${projectId}
      and hash = any(${query.array(hashes.map((hash) => Buffer.from(hash)))}::bytea[])
      and not exists (select 1 from chunks c where c.project_id = ${projectId} and c.embedding_hash = e.hash)`;
}

export function createEmbeddingStore(sql: Sql) {
  return {
    async put(
      projectId: string,
      model: string,
      entries: readonly { hash: Uint8Array; vector: Float32Array }[],
    ): Promise<void> {
      if (entries.length === 0) return;
      const rows = entries.map(({ hash, vector }) => ({
        projectId,
        model,
        hash: Buffer.from(hash),
        vector: toBytes(vector),
      }));
      await sql`insert into embeddings ${sql(rows)} on conflict do nothing`;
    },
  };
}

function toBytes(vector: Float32Array): Buffer {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
}

/** Reads a stored vector. Copies, because a buffer from the driver need not be aligned to four bytes. */
export function fromBytes(bytes: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer);
}
