import { ingestion as timing } from '../../domain/deadlines.ts';
import { type DeleteDocumentInput, ingestWorkflowId } from '../../domain/flows.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';

type DeletionDependencies = Pick<ActivityDependencies, 'stores' | 'spaces' | 'dispatcher'>;

export function createDeletionActivities({ stores, spaces, dispatcher }: DeletionDependencies) {
  return {
    /** Cancels the ingestions of the document and waits until they have ended. False where none was running. */
    async stopIngestion({ projectId, documentId }: DeleteDocumentInput): Promise<boolean> {
      return await withHeartbeat(timing.heartbeatEvery, async () => {
        let stopped = false;
        for (const { version, run } of await stores.documents.versions(projectId, documentId)) {
          stopped = (await dispatcher.stop(ingestWorkflowId(documentId, version, run))) || stopped;
        }
        return stopped;
      });
    },

    async removeFromIndex({ projectId, documentId }: DeleteDocumentInput): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, async (signal) => {
        const ids = await stores.chunks.ids(projectId, documentId);
        for (const { index } of await spaces.written(projectId)) await index.remove(projectId, ids, signal);
      });
    },

    async purgeDocument({ projectId, documentId }: DeleteDocumentInput): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, async () => {
        await stores.documents.purge(projectId, documentId);
      });
    },
  };
}
