import type { Sql } from './client.ts';

/** Any numbers will do, as long as nobody else uses them in this database. */
const lockIds = { migrate: 4_711_201, seed: 4_711_202 } as const;

/**
 * Runs `work` while no other process does the same. It waits for its turn; a holder that dies gives the lock back.
 * `work` gets the connection that holds the lock.
 */
export async function withLock<T>(
  sql: Sql,
  name: keyof typeof lockIds,
  work: (connection: Sql) => Promise<T>,
): Promise<T> {
  const connection = await sql.reserve();
  try {
    await connection`select pg_advisory_lock(${lockIds[name]})`;
    return await work(connection);
  } finally {
    await connection`select pg_advisory_unlock(${lockIds[name]})`;
    connection.release();
  }
}
