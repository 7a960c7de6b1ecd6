import { overdue } from '../../domain/deadlines.ts';
import { type Dispatch, crawlSiteDispatch } from '../../domain/flows.ts';
import type { CrawlKey, CrawlRun, PageCounts, RunStatus } from '../../domain/sources.ts';
import type { Query, Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';

const noPages: PageCounts = { new: 0, changed: 0, unchanged: 0, gone: 0, failed: 0, skipped: 0, waiting: 0 };

/** Writes down a crawl that was asked for, and its dispatch. Undefined where one is under way. */
export async function requestRun(
  query: Query,
  projectId: string,
  sourceId: string,
): Promise<{ run: number; dispatch: Dispatch } | undefined> {
  const inserted = await insertRun(query, projectId, sourceId, {
    status: 'queued',
    workflowId: (run) => crawlSiteDispatch({ projectId, sourceId, run }).workflowId,
  });
  if (inserted === undefined) return undefined;
  const dispatch = crawlSiteDispatch({ projectId, sourceId, run: inserted });
  await insertDispatch(query, dispatch);
  return { run: inserted, dispatch };
}

async function insertRun(
  query: Query,
  projectId: string,
  sourceId: string,
  { status, workflowId }: { status: 'queued' | 'running'; workflowId: (run: number) => string },
): Promise<number | undefined> {
  // Two that come at once count one after the other.
  const [source] = await query`
    select 1 from sources where project_id = ${projectId} and id = ${sourceId} and deleted_at is null for update`;
  if (!source) return undefined;
  const [last] = await query<{ run: number }[]>`
    select coalesce(max(run), 0)::int as run from source_runs where source_id = ${sourceId}`;
  const run = last!.run + 1;
  const inserted = await query`
    insert into source_runs (project_id, source_id, run, workflow_id, trigger, status, started_at)
    values (${projectId}, ${sourceId}, ${run}, ${workflowId(run)}, ${status === 'queued' ? 'api' : 'schedule'},
      ${status}, ${status === 'queued' ? null : query`now()`})
    on conflict do nothing returning 1`;
  return inserted.length > 0 ? run : undefined;
}

export function createSourceRunStore(sql: Sql) {
  return {
    /** Undefined where a crawl of the source is under way. */
    async request(
      projectId: string,
      sourceId: string,
    ): Promise<{ run: number; dispatch: Dispatch } | undefined> {
      return await sql.begin((tx) => requestRun(tx, projectId, sourceId));
    },

    /**
     * Marks the crawl that a workflow makes as running; for one that a schedule has started it is written down here.
     * Returns its number, or undefined where there is nothing to crawl: the source is deleted, the crawl has ended, or
     * another one is under way.
     */
    async open(projectId: string, sourceId: string, workflowId: string): Promise<number | undefined> {
      return await sql.begin(async (tx) => {
        const [known] = await tx<{ run: number; open: boolean }[]>`
          update source_runs r set started_at = coalesce(started_at, now()), updated_at = now(),
            status = case when r.status = 'queued' then 'running' else r.status end
          from sources s
          where r.project_id = ${projectId} and r.source_id = ${sourceId} and r.workflow_id = ${workflowId}
            and s.id = r.source_id
          returning r.run, r.status in ('running', 'paused') and s.deleted_at is null as open`;
        if (known) return known.open ? known.run : undefined;
        return await insertRun(tx, projectId, sourceId, { status: 'running', workflowId: () => workflowId });
      });
    },

    /** A sign of life: a crawl without one is asked about in Temporal. */
    async touch(projectId: string, sourceId: string, run: number): Promise<void> {
      await sql`update source_runs set updated_at = now()
        where project_id = ${projectId} and source_id = ${sourceId} and run = ${run}`;
    },

    /** Keeps why a crawl is about to fail, with addresses that have no place in a workflow's history. */
    async explain({ projectId, sourceId, run }: CrawlKey, message: string): Promise<void> {
      await sql`update source_runs set error_message = ${message}
        where project_id = ${projectId} and source_id = ${sourceId} and run = ${run}`;
    },

    /** The crawl cannot see the whole of the source. */
    async setPartial({ projectId, sourceId, run }: CrawlKey): Promise<void> {
      await sql`update source_runs set partial = true
        where project_id = ${projectId} and source_id = ${sourceId} and run = ${run}`;
    },

    async setPaused(projectId: string, sourceId: string, run: number, paused: boolean): Promise<void> {
      await sql`update source_runs set status = ${paused ? 'paused' : 'running'}, updated_at = now()
        where project_id = ${projectId} and source_id = ${sourceId} and run = ${run}
          and status in ('running', 'paused')`;
    },

    /** Records how a crawl ended. A recorded end is never overwritten. */
    async end(
      projectId: string,
      sourceId: string,
      run: number,
      outcome: { status: 'done' | 'failed' | 'cancelled'; code?: string; message?: string },
    ): Promise<void> {
      const counts = await countsOf(sql, projectId, sourceId, run);
      await sql`
        update source_runs set status = ${outcome.status}, error_code = ${outcome.code ?? null},
          error_message = ${outcome.message === undefined ? null : sql`coalesce(error_message, ${outcome.message})`}, counts = ${sql.json({ ...counts })}, finished_at = now(),
          updated_at = now()
        where project_id = ${projectId} and source_id = ${sourceId} and run = ${run}
          and status in ('queued', 'running', 'paused')`;
    },

    /** The last crawl of a source, or the one with this number. */
    async get(projectId: string, sourceId: string, run?: number): Promise<CrawlRun | undefined> {
      const [row] = await sql<(Omit<CrawlRun, 'counts'> & { counts: PageCounts | null })[]>`
        select run, status, trigger, counts, partial, error_code, error_message, created_at, started_at,
          finished_at
        from source_runs where project_id = ${projectId} and source_id = ${sourceId}
        ${run === undefined ? sql`` : sql`and run = ${run}`}
        order by run desc limit 1`;
      return row && { ...row, counts: row.counts ?? (await countsOf(sql, projectId, sourceId, row.run)) };
    },

    async counts(projectId: string, sourceId: string, run: number): Promise<PageCounts> {
      return await countsOf(sql, projectId, sourceId, run);
    },

    /** The workflow of the crawl that is under way. */
    async underWay(
      projectId: string,
      sourceId: string,
    ): Promise<{ workflowId: string; status: RunStatus } | undefined> {
      const [row] = await sql<{ workflowId: string; status: RunStatus }[]>`
        select workflow_id, status from source_runs
        where project_id = ${projectId} and source_id = ${sourceId} and status in ('queued', 'running', 'paused')`;
      return row;
    },

    /** Crawls that have shown no sign of life for a while: see `createOverdueStore`. */
    async claimSilent(
      limit: number,
    ): Promise<{ projectId: string; sourceId: string; run: number; workflowId: string }[]> {
      return await sql<{ projectId: string; sourceId: string; run: number; workflowId: string }[]>`
        update source_runs set checked_at = now() where workflow_id in (
          select workflow_id from source_runs
          where status in ('queued', 'running', 'paused')
            and greatest(updated_at, checked_at) < now() - ${overdue.crawlSilence} * interval '1 millisecond'
          order by checked_at nulls first limit ${limit} for update skip locked)
        returning project_id, source_id, run, workflow_id`;
    },
  };
}

async function countsOf(sql: Sql, projectId: string, sourceId: string, run: number): Promise<PageCounts> {
  const rows = await sql<{ state: keyof PageCounts; pages: number }[]>`
    select case when waiting then 'waiting' else state end as state, count(*)::int as pages from source_pages
    where project_id = ${projectId} and source_id = ${sourceId} and run = ${run} group by 1`;
  return { ...noPages, ...Object.fromEntries(rows.map(({ state, pages }) => [state, pages])) };
}
