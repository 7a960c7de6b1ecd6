import { ApplicationFailure } from '@temporalio/common';
import { ingestion as timing } from '../../domain/deadlines.ts';
import type { EraseVisitorInput } from '../../domain/flows.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';

type ErasureDependencies = Pick<ActivityDependencies, 'stores' | 'dispatcher'>;

export function createErasureActivities({ stores, dispatcher }: ErasureDependencies) {
  const { visitorErasures } = stores;
  return {
    /** Ends what runs for the visitor: turns, verifications, mails, webhooks in flight. */
    async endVisitorWorkflows({ projectId, erasureId }: EraseVisitorInput): Promise<{ ended: number }> {
      return await withHeartbeat(timing.heartbeatEvery, async () => {
        let ended = 0;
        for (const workflowId of await visitorErasures.noteWorkflows(projectId, erasureId)) {
          if (await dispatcher.terminate(workflowId, 'The visitor is being erased.')) ended += 1;
        }
        return { ended };
      });
    },

    async removeVisitorRows({ projectId, erasureId }: EraseVisitorInput): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, () => visitorErasures.removeRows(projectId, erasureId));
    },

    async deleteVisitorHistories({ projectId, erasureId }: EraseVisitorInput): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, async () => {
        for (const workflowId of await visitorErasures.workflows(projectId, erasureId)) {
          await dispatcher.forget(workflowId);
        }
      });
    },

    /** Looks for what is left and issues the receipt. Throws, to be tried again, when there is something. */
    async verifyVisitorIsGone({ projectId, erasureId }: EraseVisitorInput): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, async () => {
        let histories = 0;
        for (const workflowId of await visitorErasures.workflows(projectId, erasureId)) {
          if ((await dispatcher.statusOf(workflowId)) === 'NOT_FOUND') continue;
          histories += 1;
          await dispatcher.forget(workflowId);
        }
        const remaining = { ...(await visitorErasures.remainingRows(projectId, erasureId)), histories };
        const left = Object.entries(remaining).filter(([, count]) => count > 0);
        if (left.length > 0) {
          const what = left.map(([name, count]) => `${name}: ${count}`).join(', ');
          throw ApplicationFailure.retryable(
            `Something of the visitor is left (${what}).`,
            'VISITOR_NOT_GONE',
          );
        }
        await visitorErasures.finish(projectId, erasureId, remaining);
      });
    },
  };
}
