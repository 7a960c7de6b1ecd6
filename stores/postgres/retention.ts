import type { Sql } from './client.ts';

export type RetentionStore = ReturnType<typeof createRetentionStore>;

/** Removes what a project does not want to keep. */
export function createRetentionStore(sql: Sql) {
  return {
    /** Projects with a limit; it may be removed from everywhere else. */
    async projects(): Promise<{ projectId: string; days: number }[]> {
      return await sql<{ projectId: string; days: number }[]>`
        select id as project_id, (settings->>'retentionDays')::int as days from projects
        where settings->>'retentionDays' is not null order by id`;
    },

    /**
     * Removes up to `limit` conversations in which nothing was said for so many days, with their turns, and returns how
     * many. One that is being answered stays.
     */
    async removeConversations(projectId: string, days: number, limit: number): Promise<number> {
      const { count } = await sql`
        delete from conversations where project_id = ${projectId} and id in (
          select id from conversations c
          where c.project_id = ${projectId} and c.created_at < now() - ${days} * interval '1 day'
            and not exists (select 1 from turns t where t.conversation_id = c.id
              and (t.created_at >= now() - ${days} * interval '1 day' or t.status in ('queued', 'running')))
          order by c.created_at limit ${limit})`;
      return count;
    },

    /** Deliveries hold what was said, too. */
    async removeDeliveries(projectId: string, days: number, limit: number): Promise<number> {
      const { count } = await sql`
        delete from webhook_deliveries where project_id = ${projectId} and id in (
          select id from webhook_deliveries
          where project_id = ${projectId} and created_at < now() - ${days} * interval '1 day'
            and status <> 'pending' limit ${limit})`;
      return count;
    },

    /** Of every project: nobody replays what is older. */
    async removeOldDeliveries(days: number, limit: number): Promise<number> {
      const { count } = await sql`
        delete from webhook_deliveries where id in (
          select id from webhook_deliveries
          where created_at < now() - ${days} * interval '1 day' and status <> 'pending' limit ${limit})`;
      return count;
    },
  };
}
