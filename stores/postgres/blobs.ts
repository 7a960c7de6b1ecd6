import { createHash } from 'node:crypto';
import type { Query, Sql } from './client.ts';

/** Contents by their hash. Behind this interface, so that a larger site can keep them in an object store. */
export type BlobStore = ReturnType<typeof createBlobStore>;

export const contentHash = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/**
 * Stores the bytes under their hash within a transaction; equal content of a project is kept once. The row stays
 * locked until the transaction ends, so that it is not removed before the row that refers to it is there.
 */
export async function putBlob(query: Query, projectId: string, bytes: Uint8Array): Promise<Buffer> {
  const hash = contentHash(bytes);
  await query`
    insert into blobs (project_id, hash, bytes) values (${projectId}, ${hash}, ${Buffer.from(bytes)})
    on conflict (project_id, hash) do update set created_at = blobs.created_at`;
  return hash;
}

/** Removes those of these contents that no version refers to any more. */
export async function removeUnusedBlobs(
  query: Query,
  projectId: string,
  hashes: readonly (Uint8Array | null)[],
): Promise<void> {
  const candidates = query.array(hashes.flatMap((hash) => (hash ? [Buffer.from(hash)] : [])));
  // Locked first, in a statement of its own: the next one then sees what those who held the rows have committed.
  await query`
    select 1 from blobs where project_id = ${projectId} and hash = any(${candidates}::bytea[])
    order by hash for update`;
  await query`
    delete from blobs b where project_id = ${projectId} and hash = any(${candidates}::bytea[])
      and not exists (select 1 from document_versions v
        where v.project_id = ${projectId} and v.content_hash = b.hash and v.retired_at is null)
      and not exists (select 1 from document_versions v
        where v.project_id = ${projectId} and v.text_hash = b.hash and v.retired_at is null)`;
}

export function createBlobStore(sql: Sql) {
  return {
    /** Returns the hash that the bytes are stored under. */
    async put(projectId: string, bytes: Uint8Array): Promise<Buffer> {
      return await putBlob(sql, projectId, bytes);
    },

    async get(projectId: string, hash: Uint8Array): Promise<Buffer> {
      const [row] = await sql<{ bytes: Uint8Array }[]>`
        select bytes from blobs where project_id = ${projectId} and hash = ${Buffer.from(hash)}`;
      if (!row) throw new Error(`blob ${Buffer.from(hash).toString('hex')} is missing`);
      return Buffer.from(row.bytes);
    },
  };
}
