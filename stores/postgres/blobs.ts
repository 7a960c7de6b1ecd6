import { createHash } from 'node:crypto';
import type { Query, Sql } from './client.ts';

/** Contents by their hash. Behind this interface, so that a larger site can keep them in an object store. */
export type BlobStore = ReturnType<typeof createBlobStore>;

export const contentHash = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** Stores the bytes under their hash within a transaction; equal content of a project is kept once. */
export async function putBlob(query: Query, projectId: string, bytes: Uint8Array): Promise<Buffer> {
  const hash = contentHash(bytes);
  await query`
    insert into blobs (project_id, hash, bytes) values (${projectId}, ${hash}, ${Buffer.from(bytes)})
    on conflict do nothing`;
  return hash;
}

export function createBlobStore(sql: Sql) {
  return {
    async get(projectId: string, hash: Uint8Array): Promise<Buffer> {
      const [row] = await sql<{ bytes: Uint8Array }[]>`
        select bytes from blobs where project_id = ${projectId} and hash = ${Buffer.from(hash)}`;
      if (!row) throw new Error(`blob ${Buffer.from(hash).toString('hex')} is missing`);
      return Buffer.from(row.bytes);
    },
  };
}
