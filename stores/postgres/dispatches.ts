import { dispatch as timing } from '../../domain/deadlines.ts';
import type { Dispatch } from '../../domain/flows.ts';
import type { Query, Sql } from './client.ts';
import { asJson } from './json.ts';

export type DispatchStore = ReturnType<typeof createDispatchStore>;

/**
 * Writes down a workflow start, in the transaction of the row that it is for. The caller starts it after the commit;
 * if the caller dies first, a sweep does once the grace has passed.
 */
export async function insertDispatch(query: Query, dispatch: Dispatch): Promise<void> {
  await query`
    insert into dispatches (workflow_id, project_id, workflow_type, input, available_at)
    values (${dispatch.workflowId}, ${dispatch.projectId}, ${dispatch.workflowType}, ${asJson(query, dispatch.input)},
      now() + ${timing.apiGrace} * interval '1 millisecond')
    on conflict do nothing`;
}

export function createDispatchStore(sql: Sql) {
  return {
    /** Takes due dispatches for the length of a lease. Sweeps that run together take different ones. */
    async claimDue(limit: number): Promise<Dispatch[]> {
      return await sql<Dispatch[]>`
        update dispatches set available_at = now() + ${timing.lease} * interval '1 millisecond'
        where workflow_id in (
          select workflow_id from dispatches where available_at <= now()
          order by available_at limit ${limit} for update skip locked)
        returning workflow_id, project_id, workflow_type, input`;
    },

    /** Temporal has the workflow. */
    async done(workflowId: string): Promise<void> {
      await sql`delete from dispatches where workflow_id = ${workflowId}`;
    },

    /** Temporal could not be asked or refused: tried again after a growing pause. */
    async failed(workflowId: string, reason: string): Promise<void> {
      const { initialInterval, maximumInterval } = timing.retry;
      await sql`
        update dispatches set attempts = attempts + 1, last_error = ${reason.slice(0, 500)},
          available_at = now() + interval '1 millisecond' *
            least(${initialInterval}::float8 * power(2, least(attempts, 20)), ${maximumInterval})
        where workflow_id = ${workflowId}`;
    },

    /** Whether the start of this workflow is still to be made. */
    async has(workflowId: string): Promise<boolean> {
      const rows = await sql`select 1 from dispatches where workflow_id = ${workflowId}`;
      return rows.length > 0;
    },

    async backlog(): Promise<{ waiting: number; oldestSeconds: number }> {
      const [row] = await sql<{ waiting: number; oldestSeconds: number }[]>`
        select count(*)::int as waiting, coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as oldest_seconds
        from dispatches`;
      return row!;
    },
  };
}
