import { crawl as timing } from '../../domain/deadlines.ts';
import type { SyncSourceInput } from '../../domain/flows.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';

type SyncDependencies = Pick<ActivityDependencies, 'stores' | 'dispatcher' | 'crawlSchedules'>;

const removalPage = 100;

export function createSourceSyncActivities({ stores, dispatcher, crawlSchedules }: SyncDependencies) {
  return {
    /** Makes the schedule in Temporal what the source says. True where the source is deleted. */
    async syncSchedule({ projectId, sourceId }: SyncSourceInput): Promise<boolean> {
      for (;;) {
        const plan = await stores.sources.plan(projectId, sourceId);
        if (!plan) return false;
        if (plan.schedule && !plan.deleted)
          await crawlSchedules.put({ projectId, sourceId, ...plan.schedule });
        else await crawlSchedules.remove(sourceId);
        // Somebody changed it meanwhile, and that change may have come first.
        const now = await stores.sources.plan(projectId, sourceId);
        if (now?.revision === plan.revision || !now) return plan.deleted;
      }
    },

    /** Cancels the crawl that is under way and waits until it has ended. */
    async stopCrawl({ projectId, sourceId }: SyncSourceInput): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, async () => {
        const crawl = await stores.sourceRuns.underWay(projectId, sourceId);
        if (crawl) await dispatcher.stop(crawl.workflowId);
      });
    },

    /** Deletes the documents of a deleted source, and then what is known of it. */
    async removeSource({ projectId, sourceId }: SyncSourceInput): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, async (signal) => {
        for (let pages = 1; pages > 0; ) {
          signal.throwIfAborted();
          const removed = await stores.sourcePages.removeDocuments(projectId, sourceId, removalPage);
          for (const dispatch of removed.dispatches) dispatcher.startSoon(dispatch);
          pages = removed.pages;
        }
        await stores.sources.purge(projectId, sourceId);
      });
    },
  };
}
