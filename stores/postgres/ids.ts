import { v5, v7 } from 'uuid';
import type { Query } from './client.ts';

/** Ids are made by the server; version 7 keeps the newest rows together in every index. */
export const newId = (): string => v7();

/** The same chunk of the same version has the same id, however often the version is chunked. */
export const chunkId = (documentId: string, version: number, ordinal: number): string =>
  v5(`${version}/${ordinal}`, documentId);

/** PostgreSQL's type of a list of uuids (`select 'uuid[]'::regtype::oid`). */
const uuidArray = 2951;

/**
 * A list of ids as a parameter. It is sent as what it is: a list of texts that a statement casts to uuids can be cast
 * again for every row that it looks at.
 */
export const uuids = (sql: Query, list: readonly string[]) => sql.array([...list], uuidArray);
