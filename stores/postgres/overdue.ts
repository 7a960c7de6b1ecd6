import { overdue, turn } from '../../domain/deadlines.ts';
import type { IngestDocumentInput } from '../../domain/flows.ts';
import type { Sql } from './client.ts';

export type OverdueStore = ReturnType<typeof createOverdueStore>;

/**
 * Rows whose workflow should have ended or shown progress by now: a terminated workflow runs no code to say so. Each
 * claim takes those that were not checked for the longest time, and sweeps that run together take different ones.
 */
export function createOverdueStore(sql: Sql) {
  const { turnGrace, documentSilence } = overdue;
  return {
    async claimTurns(limit: number): Promise<{ projectId: string; turnId: string }[]> {
      return await sql<{ projectId: string; turnId: string }[]>`
        update turns set checked_at = now() where id in (
          select id from turns
          where status = 'running' and started_at < now() - ${turn.deadline + turnGrace} * interval '1 millisecond'
            and (checked_at is null or checked_at < now() - ${turnGrace} * interval '1 millisecond')
          order by checked_at nulls first limit ${limit} for update skip locked)
        returning project_id, id as turn_id`;
    },

    async claimDocumentVersions(limit: number): Promise<IngestDocumentInput[]> {
      return await sql<IngestDocumentInput[]>`
        update document_versions set checked_at = now() where (document_id, version) in (
          select document_id, version from document_versions
          where status in ('queued', 'processing')
            and greatest(updated_at, checked_at) < now() - ${documentSilence} * interval '1 millisecond'
          order by checked_at nulls first limit ${limit} for update skip locked)
        returning project_id, document_id, version, run`;
    },
  };
}
