import { proxyActivities, setCurrentDetails, sleep, workflowInfo } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { ingestion } from '../domain/deadlines.ts';
import type { DeleteProjectInput } from '../domain/flows.ts';

// Without a limit: what a customer deleted is removed, however long a server is away.
const step = {
  startToCloseTimeout: ingestion.step,
  heartbeatTimeout: ingestion.heartbeat,
  retry: ingestion.retry,
};

const { stopProject } = proxyActivities<Activities>({ ...step, summary: 'end its workflows and schedules' });
const { removeProjectFromIndex } = proxyActivities<Activities>({
  ...step,
  summary: 'remove from Elasticsearch',
});
const { removeProjectRows } = proxyActivities<Activities>({ ...step, summary: 'remove from PostgreSQL' });
const { verifyProjectIsGone } = proxyActivities<Activities>({
  startToCloseTimeout: ingestion.step,
  retry: ingestion.retry,
  summary: 'look for what is left, and issue the receipt',
});

/** Removes all that a deleted project held. Its keys stopped working when the deletion was accepted. */
export async function deleteProject(input: DeleteProjectInput): Promise<void> {
  setCurrentDetails('Ending its workflows and schedules');
  await stopProject(input, workflowInfo().workflowId);
  // What they had under way may still land: workflows end at once, activities when they next look.
  await sleep(ingestion.lateWrites, { summary: 'writes that were under way may still land' });
  setCurrentDetails('Removing it from PostgreSQL');
  await removeProjectRows(input);
  setCurrentDetails('Removing it from Elasticsearch');
  await removeProjectFromIndex(input);
  setCurrentDetails('Looking for what is left');
  await verifyProjectIsGone(input);
  setCurrentDetails('Removed');
}
