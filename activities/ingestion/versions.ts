import { ApplicationFailure } from '@temporalio/common';
import { ingestion as timing } from '../../domain/deadlines.ts';
import { type IngestDocumentInput, ingestWorkflowId } from '../../domain/flows.ts';
import type { IngestionEnd } from '../../domain/ingestion.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';
import { superseded } from './step.ts';

type VersionDependencies = Pick<ActivityDependencies, 'stores' | 'spaces' | 'dispatcher'>;

/** What becomes of a version: it answers, ends otherwise, waits, or makes room for a later one. */
export function createVersionActivities({ stores, spaces, dispatcher }: VersionDependencies) {
  return {
    /** Throws where it is of no use any more; `moved`: it has to be indexed again, with the project's new model. */
    async publishVersion({
      projectId,
      documentId,
      version,
    }: IngestDocumentInput): Promise<'moved' | undefined> {
      await stores.documents.progress(projectId, documentId, version, { step: 'publishing' });
      const outcome = await stores.documents.publish(projectId, documentId, version);
      if (outcome === 'superseded') throw superseded();
      if (outcome === 'deleted')
        throw ApplicationFailure.nonRetryable('The document was deleted.', 'DOCUMENT_DELETED');
      return outcome === 'moved' ? outcome : undefined;
    },

    async endVersion(
      { projectId, documentId, version }: IngestDocumentInput,
      outcome: IngestionEnd,
    ): Promise<void> {
      await stores.documents.end(projectId, documentId, version, outcome);
    },

    async recordPause(
      { projectId, documentId, version }: IngestDocumentInput,
      paused: boolean,
    ): Promise<void> {
      await stores.documents.pause(projectId, documentId, version, paused);
    },

    /** Removes what a version that did not become ready has written. What it has embedded stays for the next run. */
    async withdrawVersion({ projectId, documentId, version }: IngestDocumentInput): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, async (signal) => {
        const found = await stores.documents.version(projectId, documentId, version);
        if (found && found.status !== 'failed' && found.status !== 'cancelled') return;
        const ids = await stores.chunks.ids(projectId, documentId, { version });
        for (const { index } of await spaces.written(projectId)) await index.remove(projectId, ids, signal);
        await stores.chunks.removeVersion(projectId, documentId, version);
      });
    },

    /**
     * Stops earlier versions that are still being ingested, and removes what all earlier ones have left: from the
     * index first, because its ids come from PostgreSQL.
     */
    async retireVersions({ projectId, documentId, version }: IngestDocumentInput): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, async (signal) => {
        for (const earlier of await stores.documents.unfinishedBefore(projectId, documentId, version)) {
          await dispatcher.stop(ingestWorkflowId(documentId, earlier.version, earlier.run));
        }
        const ids = await stores.chunks.ids(projectId, documentId, { before: version });
        for (const { index } of await spaces.written(projectId)) await index.remove(projectId, ids, signal);
        await stores.documents.retireBefore(projectId, documentId, version);
      });
    },
  };
}
