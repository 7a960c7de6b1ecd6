import { ApplicationFailure } from '@temporalio/common';
import { ingestion as timing } from '../../domain/deadlines.ts';
import type { DeleteProjectInput } from '../../domain/flows.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';

type DeletionDependencies = Pick<ActivityDependencies, 'stores' | 'index' | 'dispatcher'>;

export function createProjectDeletionActivities({ stores, index, dispatcher }: DeletionDependencies) {
  const { projectDeletions } = stores;
  return {
    /** Ends the project's schedules and running workflows, but not the one that asks. */
    async stopProject({ projectId }: DeleteProjectInput, ownWorkflowId: string): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, async (_signal, report) => {
        const stopped = await dispatcher.stopProject(projectId, ownWorkflowId);
        report(stopped);
        await projectDeletions.noteRemoved(projectId, stopped);
      });
    },

    async removeProjectRows({ projectId }: DeleteProjectInput): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, async (_signal, report) => {
        await projectDeletions.noteRemoved(projectId, await projectDeletions.remainingRows(projectId));
        await projectDeletions.removeRows(projectId, (table) => report({ table }));
      });
    },

    async removeProjectFromIndex({ projectId }: DeleteProjectInput): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, async (signal, report) => {
        await projectDeletions.noteRemoved(projectId, { indexedChunks: await index.count(projectId) });
        await index.removeProject(projectId, (total) => report({ chunks: total }), signal);
      });
    },

    /** Looks for what is left and issues the receipt. Throws, to be tried again, when there is something. */
    async verifyProjectIsGone({ projectId }: DeleteProjectInput): Promise<void> {
      const rows = await projectDeletions.remainingRows(projectId);
      const remaining = { ...rows, indexedChunks: await index.count(projectId) };
      const left = Object.entries(remaining).filter(([, count]) => count > 0);
      if (left.length > 0) {
        const what = left.map(([name, count]) => `${name}: ${count}`).join(', ');
        throw ApplicationFailure.retryable(`Something of the project is left (${what}).`, 'PROJECT_NOT_GONE');
      }
      await projectDeletions.finish(projectId, remaining);
    },
  };
}
