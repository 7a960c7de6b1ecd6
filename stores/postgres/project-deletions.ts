import type { Sql } from './client.ts';
import { asJson } from './json.ts';

export type ProjectDeletionStore = ReturnType<typeof createProjectDeletionStore>;

/** What a deletion removed; `remaining` is what was looked for afterwards, and is all zeros when it is complete. */
export interface DeletionReceipt {
  projectId: string;
  requestedBy: string | null;
  requestedAt: Date;
  removed: Record<string, number>;
  remaining: Record<string, number> | null;
  finishedAt: Date | null;
}

/** These tell of the deletion itself. */
const kept = ['audit_log', 'project_deletions'];
const batch = 5_000;

export function createProjectDeletionStore(sql: Sql) {
  /** Every table that carries a project's id, from the catalogue: a new table is never forgotten. */
  async function tables(): Promise<string[]> {
    const rows = await sql<{ tableName: string }[]>`
      select c.table_name from information_schema.columns c
      join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
      where c.table_schema = 'public' and c.column_name = 'project_id' and t.table_type = 'BASE TABLE'
        and c.table_name not in ${sql(kept)}
      order by c.table_name`;
    return rows.map((row) => row.tableName);
  }

  return {
    /**
     * Removes the project's rows in small transactions, so that nobody else waits, and the project last. Rows that are
     * referred to take those that refer to them with them.
     */
    async removeRows(projectId: string, onProgress: (table: string) => void): Promise<void> {
      for (const table of await tables()) {
        // Its own start stays until Temporal has it, and goes with the project.
        if (table === 'dispatches') continue;
        onProgress(table);
        let count: number;
        do {
          ({ count } = await sql`
            delete from ${sql(table)} where ctid in (
              select ctid from ${sql(table)} where project_id = ${projectId} limit ${batch})`);
        } while (count === batch);
      }
      await sql`delete from projects where id = ${projectId} and deleted_at is not null`;
    },

    /** Rows that still carry the project's id, by table. */
    async remainingRows(projectId: string): Promise<Record<string, number>> {
      const counts: Record<string, number> = {};
      for (const table of await tables()) {
        const [row] = await sql<{ rows: number }[]>`
          select count(*)::int as rows from ${sql(table)} where project_id = ${projectId}`;
        counts[table] = row!.rows;
      }
      return counts;
    },

    /** Notes what is about to be removed. A step that runs again finds less: then the first count stays. */
    async noteRemoved(projectId: string, counts: Record<string, number>): Promise<void> {
      await sql`
        update project_deletions d set removed = d.removed || (
          select coalesce(jsonb_object_agg(key, greatest(value::int, (d.removed->>key)::int)), '{}')
          from jsonb_each_text(${asJson(sql, counts)}))
        where project_id = ${projectId}`;
    },

    async finish(projectId: string, remaining: Record<string, number>): Promise<void> {
      await sql`
        update project_deletions set remaining = ${asJson(sql, remaining)}, finished_at = now()
        where project_id = ${projectId}`;
    },

    /** The receipts of a workspace, newest first. */
    async list(workspaceId: string): Promise<DeletionReceipt[]> {
      return await sql<DeletionReceipt[]>`
        select project_id, requested_by, requested_at, removed, remaining, finished_at from project_deletions
        where workspace_id = ${workspaceId} order by requested_at desc limit 200`;
    },
  };
}
