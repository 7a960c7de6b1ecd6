import type { Query } from './client.ts';

/** A JSON parameter. The library's type for JSON excludes interfaces, which are JSON all the same. */
export function asJson(sql: Query, value: unknown) {
  return sql.json(value as Parameters<Query['json']>[0]);
}
