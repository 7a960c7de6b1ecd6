import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import type { RateLimit, Taken } from '../../domain/limits.ts';
import type { Sql } from './client.ts';

export type LimitStore = ReturnType<typeof createLimitStore>;

/**
 * Counts calls in PostgreSQL, so that a limit holds over any number of processes: one atomic statement a call. Who is
 * over the limit is remembered in the process until the window ends, and costs no statement any more.
 */
export function createLimitStore(sql: Sql) {
  // The library speaks to node-postgres; this is as much of it as it uses.
  const client = {
    async query({ text, values }: { text: string; values: (string | number | null)[] }) {
      const rows = await sql.unsafe(text, values, { prepare: true });
      return { rows, rowCount: rows.count };
    },
  };
  const limiters = new Map<string, RateLimiterPostgres>();

  function limiterOf({ name, points, windowMs }: RateLimit): RateLimiterPostgres {
    const id = `${name}/${points}/${windowMs}`;
    const known = limiters.get(id);
    if (known) return known;
    const created = new RateLimiterPostgres({
      storeClient: client,
      storeType: 'client',
      tableName: 'rate_limits',
      tableCreated: true,
      keyPrefix: name,
      points,
      duration: windowMs / 1000,
      inMemoryBlockOnConsumed: points,
    });
    limiters.set(id, created);
    return created;
  }

  return {
    /** Counts one call of `id`, a hash or an id of ours. Rejects when PostgreSQL is away. */
    async take(limit: RateLimit, id: string): Promise<Taken> {
      try {
        return takenOf(limit, true, await limiterOf(limit).consume(id));
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal;
        return takenOf(limit, false, refusal);
      }
    },
  };
}

const takenOf = (limit: RateLimit, allowed: boolean, result: RateLimiterRes): Taken => ({
  allowed,
  limit,
  remaining: allowed ? result.remainingPoints : 0,
  resetMs: result.msBeforeNext,
});
