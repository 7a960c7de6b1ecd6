import type { TransactionSql } from 'postgres';
import type { Sql } from './client.ts';

/** A pool's interface on a transaction: what a store does in a transaction of its own then belongs to this one. */
export function nested(tx: TransactionSql): Sql {
  return new Proxy(tx, {
    get: (target, name) => (name === 'begin' ? target.savepoint.bind(target) : Reflect.get(target, name)),
  }) as unknown as Sql;
}
