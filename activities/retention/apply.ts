import { retention as timing } from '../../domain/deadlines.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';

/** Rows removed in one statement: few enough that no visitor waits for their locks. */
const batch = 200;

export function createRetentionActivities({ stores }: Pick<ActivityDependencies, 'stores'>) {
  return {
    /** Removes what projects do not want to keep any longer. A repeated try goes on where the last one stopped. */
    async removeExpired(): Promise<{ conversations: number; deliveries: number }> {
      return await withHeartbeat(timing.heartbeatEvery, async (signal, report) => {
        const removed = { conversations: 0, deliveries: 0 };
        const all = async (what: keyof typeof removed, remove: () => Promise<number>) => {
          for (let count = batch; count === batch; ) {
            signal.throwIfAborted();
            count = await remove();
            removed[what] += count;
            report(removed);
          }
        };
        for (const { projectId, days } of await stores.retention.projects()) {
          await all('conversations', () => stores.retention.removeConversations(projectId, days, batch));
          await all('deliveries', () => stores.retention.removeDeliveries(projectId, days, batch));
        }
        await all('deliveries', () => stores.retention.removeOldDeliveries(timing.deliveryDays, batch));
        return removed;
      });
    },
  };
}
