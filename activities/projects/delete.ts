import { ApplicationFailure } from '@temporalio/common';
import { ingestion as timing } from '../../domain/deadlines.ts';
import type { DeleteProjectInput } from '../../domain/flows.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';

type DeletionDependencies = Pick<ActivityDependencies, 'stores' | 'spaces' | 'dispatcher'>;

export function createProjectDeletionActivities({ stores, spaces, dispatcher }: DeletionDependencies) {
  const { projectDeletions } = stores;
  // Its settings may be gone by now, and with them the name of its embedding space.
  const indexed = async (projectId: string): Promise<number> => {
    const counts = (await spaces.existing()).map((index) => index.count(projectId));
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  };
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
        await projectDeletions.noteRemoved(projectId, { indexedChunks: await indexed(projectId) });
        for (const index of await spaces.existing()) {
          await index.removeProject(
            projectId,
            (total) => report({ chunks: total, index: index.name }),
            signal,
          );
        }
      });
    },

    /** Looks for what is left and issues the receipt. Throws, to be tried again, when there is something. */
    async verifyProjectIsGone({ projectId }: DeleteProjectInput): Promise<void> {
      const rows = await projectDeletions.remainingRows(projectId);
      const remaining = { ...rows, indexedChunks: await indexed(projectId) };
      const left = Object.entries(remaining).filter(([, count]) => count > 0);
      if (left.length > 0) {
        const what = left.map(([name, count]) => `${name}: ${count}`).join(', ');
        throw ApplicationFailure.retryable(`Something of the project is left (${what}).`, 'PROJECT_NOT_GONE');
      }
      await projectDeletions.finish(projectId, remaining);
    },
  };
}
