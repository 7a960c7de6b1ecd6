import type { Sql } from './client.ts';
import { type TokenState, tokenState } from './token-budgets.ts';

export type UsageStore = ReturnType<typeof createUsageStore>;

/** Calls of one project to one route on one day (UTC). */
export interface CallCount {
  projectId: string;
  /** YYYY-MM-DD */
  day: string;
  /** "GET /documents/:documentId" */
  route: string;
  calls: number;
  errors: number;
}

export interface Totals {
  documents: { total: number; ready: number; processing: number; failed: number; chunks: number };
  conversations: number;
  /** Questions and replies. */
  messages: number;
  tokens: TokenState & { prompt: number; completion: number; lost: number };
}

export interface Day {
  date: string;
  conversations: number;
  messages: number;
  tokens: number;
}

export function createUsageStore(sql: Sql) {
  /** Midnight (UTC) of the first of the last `days` days. */
  const since = (days: number) =>
    sql`(date_trunc('day', now() at time zone 'UTC') - ${days - 1} * interval '1 day') at time zone 'UTC'`;

  return {
    /** Adds counts of several projects. Counts of a deleted project are dropped. */
    async addCalls(counts: readonly CallCount[]): Promise<void> {
      const rows = counts.map(({ projectId, day, route, calls, errors }) => ({
        project_id: projectId,
        day,
        route,
        calls,
        errors,
      }));
      // In order, so that processes that write at the same time wait for one another and do not deadlock.
      await sql`
        insert into endpoint_usage as e (project_id, day, route, calls, errors)
        select c.project_id, c.day, c.route, c.calls, c.errors
        from jsonb_to_recordset(${sql.json(rows)})
          as c (project_id uuid, day date, route text, calls bigint, errors bigint)
        join projects p on p.id = c.project_id
        order by c.project_id, c.day, c.route
        on conflict (project_id, day, route) do update
          set calls = e.calls + excluded.calls, errors = e.errors + excluded.errors`;
    },

    async totals(projectId: string): Promise<Totals> {
      const [[counts], [tokens], state] = await Promise.all([
        sql<{ documents: Totals['documents']; conversations: number; messages: number }[]>`
          select
            (select json_build_object('total', count(*),
                'ready', count(*) filter (where v.status = 'ready'),
                'processing', count(*) filter (where v.status in ('queued', 'processing')),
                'failed', count(*) filter (where v.status = 'failed'),
                'chunks', coalesce(sum(v.total_chunks) filter (where v.status = 'ready'), 0))
              from documents d join document_versions v on v.document_id = d.id and v.version = d.latest_version
              where d.project_id = ${projectId} and d.deleted_at is null) as documents,
            (select count(*) from conversations where project_id = ${projectId})::int as conversations,
            (select count(*) + count(reply) from turns where project_id = ${projectId})::int as messages`,
        sql<{ prompt: number; completion: number; lost: number }[]>`
          select coalesce(sum(prompt_tokens), 0)::float8 as prompt,
            coalesce(sum(completion_tokens), 0)::float8 as completion,
            coalesce(sum(lost_tokens), 0)::float8 as lost
          from token_usage where project_id = ${projectId}`,
        tokenState(sql, projectId),
      ]);
      return { ...counts!, tokens: { ...tokens!, ...state } };
    },

    /** The last `days` days, oldest first; days without anything are in it too. */
    async daily(projectId: string, days: number): Promise<Day[]> {
      return await sql<Day[]>`
        select to_char(d.day, 'YYYY-MM-DD') as date, coalesce(c.conversations, 0)::int as conversations,
          coalesce(t.messages, 0)::int as messages,
          (coalesce(t.tokens, 0) + coalesce(s.tokens, 0))::float8 as tokens
        from generate_series(${since(days)} at time zone 'UTC', now() at time zone 'UTC', interval '1 day') as d (day)
        left join (select date_trunc('day', created_at at time zone 'UTC') as day, count(*) as conversations
          from conversations where project_id = ${projectId} and created_at >= ${since(days)} group by 1) c
          on c.day = d.day
        left join (select date_trunc('day', created_at at time zone 'UTC') as day, count(*) + count(reply) as messages,
            sum(prompt_tokens + completion_tokens + rewrite_prompt_tokens + rewrite_completion_tokens) as tokens
          from turns where project_id = ${projectId} and created_at >= ${since(days)} group by 1) t
          on t.day = d.day
        left join (select date_trunc('day', created_at at time zone 'UTC') as day,
            sum(prompt_tokens + completion_tokens) as tokens
          from conversation_summaries where project_id = ${projectId} and created_at >= ${since(days)} group by 1) s
          on s.day = d.day
        order by d.day`;
    },

    /** Calls of the last `days` days, most first. */
    async endpoints(
      projectId: string,
      days: number,
    ): Promise<{ route: string; calls: number; errors: number }[]> {
      return await sql<{ route: string; calls: number; errors: number }[]>`
        select route, sum(calls)::float8 as calls, sum(errors)::float8 as errors from endpoint_usage
        where project_id = ${projectId} and day >= (${since(days)} at time zone 'UTC')::date
        group by route order by calls desc, route`;
    },
  };
}
