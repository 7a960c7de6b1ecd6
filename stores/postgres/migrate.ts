import { readdir, readFile } from 'node:fs/promises';
import type { Sql } from './client.ts';
import { withLock } from './lock.ts';

const folder = new URL('./migrations/', import.meta.url);
export async function listMigrations(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => /^\d{4}_\w+\.sql$/.test(name)).sort();
}

/**
 * Applies what is missing, each file in a transaction of its own, and returns the names of those applied.
 * Processes that start together wait for one another.
 */
export async function migrate(sql: Sql): Promise<string[]> {
  return await withLock(sql, 'migrate', async (connection) => {
    await connection`create table if not exists migrations (
      name text primary key, applied_at timestamptz not null default now())`;
    const applied = new Set(
      (await connection<{ name: string }[]>`select name from migrations`).map((row) => row.name),
    );
    const missing = (await listMigrations()).filter((name) => !applied.has(name));
    for (const name of missing) {
      const statements = await readFile(new URL(name, folder), 'utf8');
      try {
        // One simple query is one implicit transaction: the migration and its record stand or fall together.
        await connection.unsafe(
          `begin; ${statements}; insert into migrations (name) values ('${name}'); commit`,
        );
      } catch (error) {
        await connection`rollback`;
        throw new Error(`Migration ${name} failed: ${(error as Error).message}`, { cause: error });
      }
    }
    return missing;
  });
}
