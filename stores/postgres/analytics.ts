import { activeMinutes } from '../../domain/usage.ts';
import type { Sql } from './client.ts';

export type AnalyticsStore = ReturnType<typeof createAnalyticsStore>;

export interface Sessions {
  /** Conversations that had a message in the period. */
  total: number;
  /** Of these, with a message in the last activeMinutes. */
  active: number;
  /** From the first question to the last answer. */
  durationSeconds: { average: number; median: number };
  messagesPerSession: number;
}

export interface Answers {
  answered: number;
  declined: number;
  cancelled: number;
  failed: number;
  /** From the question to the recorded answer; null where there is none. */
  answerMs: { average: number | null; p50: number | null; p95: number | null };
}

/** What visitors did (not what operators asked again) in a project in the last `days` days (UTC, today included). */
export function createAnalyticsStore(sql: Sql) {
  const since = (days: number) =>
    sql`(date_trunc('day', now() at time zone 'UTC') - ${days - 1} * interval '1 day') at time zone 'UTC'`;

  return {
    async sessions(projectId: string, days: number): Promise<Sessions> {
      const [row] = await sql<
        { total: number; active: number; average: number; median: number; messages: number }[]
      >`
        select count(*)::int as total,
          count(*) filter (where last > now() - ${activeMinutes} * interval '1 minute')::int as active,
          coalesce(avg(extract(epoch from last - first)), 0)::float8 as average,
          coalesce(percentile_cont(0.5) within group (order by extract(epoch from last - first)), 0)::float8 as median,
          coalesce(avg(messages), 0)::float8 as messages
        from (select min(created_at) as first, max(coalesce(finished_at, created_at)) as last,
            count(*) + count(reply) as messages
          from turns where project_id = ${projectId} and created_at >= ${since(days)} and repeats is null
          group by conversation_id) as sessions`;
      const { total, active, average, median, messages } = row!;
      return { total, active, durationSeconds: { average, median }, messagesPerSession: messages };
    },

    async answers(projectId: string, days: number): Promise<Answers> {
      const [row] = await sql<(Omit<Answers, 'answerMs'> & Answers['answerMs'])[]>`
        select count(*) filter (where status = 'answered')::int as answered,
          count(*) filter (where status = 'declined')::int as declined,
          count(*) filter (where status = 'cancelled')::int as cancelled,
          count(*) filter (where status = 'failed')::int as failed,
          avg(ms)::float8 as average, percentile_cont(0.5) within group (order by ms)::float8 as p50,
          percentile_cont(0.95) within group (order by ms)::float8 as p95
        from (select status, case when status in ('answered', 'declined')
            then extract(epoch from finished_at - created_at) * 1000 end as ms
          from turns where project_id = ${projectId} and created_at >= ${since(days)} and repeats is null) as turns`;
      const { average, p50, p95, ...counts } = row!;
      return { ...counts, answerMs: { average, p50, p95 } };
    },

    /** Questions that were asked most, alike but for case, spaces and punctuation; in the words of the newest. */
    async commonQuestions(
      projectId: string,
      days: number,
      limit: number,
    ): Promise<{ question: string; count: number; declined: number }[]> {
      return await sql<{ question: string; count: number; declined: number }[]>`
        select left((array_agg(question order by created_at desc))[1], 500) as question, count(*)::int as count,
          count(*) filter (where status = 'declined')::int as declined
        from turns where project_id = ${projectId} and created_at >= ${since(days)} and repeats is null
        group by trim(regexp_replace(lower(left(question, 500)), '[[:punct:][:space:]]+', ' ', 'g'))
        order by count(*) desc, max(created_at) desc limit ${limit}`;
    },
  };
}
