import type { ISql, Notice, Sql as Pool } from 'postgres';
import { postgresConnect, postgresReconnect } from '../../domain/deadlines.ts';
import { postgres } from './driver.ts';

export type Sql = Pool;
/** A connection or a transaction: what a query needs. */
export type Query = ISql;

/**
 * Opens a pool. Columns are snake_case in PostgreSQL and camelCase here; values inside JSON are left alone.
 * The pool connects on first use and reconnects by itself; a query rejects while PostgreSQL is away.
 */
export function connectPostgres(
  url: string,
  options: { poolSize: number; applicationName: string; onNotice?: (notice: Notice) => void },
): Sql {
  return postgres(url, {
    max: options.poolSize,
    connect_timeout: postgresConnect / 1000,
    // The driver's own pauses grow to 20 s, for which everything would go on waiting when PostgreSQL is back.
    backoff: (retries) => Math.min(2 ** retries * 50, postgresReconnect) / 1000,
    idle_timeout: 60,
    connection: { application_name: options.applicationName },
    transform: { column: { from: postgres.toCamel, to: postgres.fromCamel }, undefined: null },
    onnotice: options.onNotice ?? (() => {}),
  });
}

/** True for a value that PostgreSQL takes as a uuid. Ids from outside are checked before they reach a query. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text);
}
