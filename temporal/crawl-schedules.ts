import {
  type Client,
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
} from '@temporalio/client';
import { crawlScheduleId, scheduledCrawlId, taskQueueOf } from '../domain/flows.ts';
import type { CrawlSchedule } from '../domain/sources.ts';
import { searchAttributesOf } from './search-attributes.ts';

export type CrawlSchedules = ReturnType<typeof createCrawlSchedules>;

/** The schedules by which sources are crawled again: `crawl/<sourceId>` in the Temporal UI, where they can be paused. */
export function createCrawlSchedules(client: Client) {
  return {
    /** Makes or changes the schedule of a source. */
    async put(source: CrawlSchedule & { projectId: string; sourceId: string }): Promise<void> {
      const { projectId, sourceId, everyMinutes, paused } = source;
      const input = { projectId, sourceId };
      const typedSearchAttributes = searchAttributesOf({ input });
      const description = {
        spec: { intervals: [{ every: everyMinutes * 60_000, offset: Date.now() % (everyMinutes * 60_000) }] },
        action: {
          type: 'startWorkflow' as const,
          workflowType: 'crawlSite',
          workflowId: scheduledCrawlId(sourceId),
          taskQueue: taskQueueOf.crawlSite,
          args: [input],
          typedSearchAttributes,
          staticSummary: 'crawl a source, by its schedule',
        },
        // A crawl that takes longer than the interval is not joined by a second one.
        policies: { overlap: ScheduleOverlapPolicy.SKIP },
      };
      try {
        await client.schedule.create({
          scheduleId: crawlScheduleId(sourceId),
          ...description,
          state: { paused },
          typedSearchAttributes,
        });
      } catch (error) {
        if (!(error instanceof ScheduleAlreadyRunning)) throw error;
        await client.schedule.getHandle(crawlScheduleId(sourceId)).update((previous) => ({
          ...previous,
          ...description,
          state: { ...previous.state, paused },
        }));
      }
    },

    async remove(sourceId: string): Promise<void> {
      try {
        await client.schedule.getHandle(crawlScheduleId(sourceId)).delete();
      } catch (error) {
        if (!(error instanceof ScheduleNotFoundError)) throw error;
      }
    },
  };
}
