import {
  packExplanation,
  type RetrievalExplanation,
  type StoredExplanation,
  unpackExplanation,
} from '../../domain/retrieval.ts';
import type { Sql } from './client.ts';
import { uuids } from './ids.ts';
import { asJson } from './json.ts';

export type ExplanationStore = ReturnType<typeof createExplanationStore>;

/** What people read of an explained chunk; a chunk of a version that was replaced since is gone. */
export interface ChunkLabel {
  chunkId: string;
  documentId: string;
  title: string;
  heading: string;
  text: string;
}

export function createExplanationStore(sql: Sql) {
  return {
    /** Keeps how the turn's passages were found; a later search of the same turn takes its place. */
    async put(projectId: string, turnId: string, explanation: RetrievalExplanation): Promise<void> {
      await sql`
        insert into turn_retrievals (turn_id, project_id, explanation)
        select id, project_id, ${asJson(sql, packExplanation(explanation))} from turns
        where project_id = ${projectId} and id = ${turnId}
        on conflict (turn_id) do update set explanation = excluded.explanation`;
    },

    async get(projectId: string, turnId: string): Promise<RetrievalExplanation | undefined> {
      const [row] = await sql<{ explanation: StoredExplanation }[]>`
        select explanation from turn_retrievals where project_id = ${projectId} and turn_id = ${turnId}`;
      return row && unpackExplanation(row.explanation);
    },

    async labels(projectId: string, chunkIds: readonly string[]): Promise<ChunkLabel[]> {
      return await sql<ChunkLabel[]>`
        select c.id as chunk_id, c.document_id, d.title, array_to_string(c.heading_path, ' › ') as heading, c.text
        from chunks c join documents d on d.id = c.document_id
        where c.project_id = ${projectId} and c.id = any (${uuids(sql, chunkIds)})`;
    },
  };
}
