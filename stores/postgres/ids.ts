import { v5, v7 } from 'uuid';

/** Ids are made by the server; version 7 keeps the newest rows together in every index. */
export const newId = (): string => v7();

/** The same chunk of the same version has the same id, however often the version is chunked. */
export const chunkId = (documentId: string, version: number, ordinal: number): string =>
  v5(`${version}/${ordinal}`, documentId);
