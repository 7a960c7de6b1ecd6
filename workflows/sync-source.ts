import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { ingestion } from '../domain/deadlines.ts';
import type { SyncSourceInput } from '../domain/flows.ts';

// Without a limit: what a customer set or deleted comes about, however long Temporal's schedules are away.
const step = {
  startToCloseTimeout: ingestion.step,
  heartbeatTimeout: ingestion.heartbeat,
  retry: ingestion.retry,
};

const { syncSchedule } = proxyActivities<Activities>({
  summary: 'make the schedule what the source says',
  startToCloseTimeout: ingestion.step,
  retry: ingestion.retry,
});
const { stopCrawl } = proxyActivities<Activities>({ ...step, summary: 'stop its crawl' });
const { removeSource } = proxyActivities<Activities>({ ...step, summary: 'delete its documents' });

/** Carries a change of a source's schedule, or its deletion, to Temporal and to its documents. */
export async function syncSource(input: SyncSourceInput): Promise<void> {
  setCurrentDetails('Setting the schedule');
  const deleted = await syncSchedule(input);
  if (deleted) {
    setCurrentDetails('Stopping its crawl');
    await stopCrawl(input);
    setCurrentDetails('Deleting its documents');
    await removeSource(input);
  }
  setCurrentDetails(deleted ? 'Removed' : 'The schedule is set');
}
