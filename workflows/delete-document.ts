import { proxyActivities, setCurrentDetails, sleep } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { ingestion } from '../domain/deadlines.ts';
import type { DeleteDocumentInput } from '../domain/flows.ts';

// Without a limit: what a customer deleted is removed, however long Elasticsearch is away.
const step = {
  startToCloseTimeout: ingestion.step,
  heartbeatTimeout: ingestion.heartbeat,
  retry: ingestion.retry,
};

const { stopIngestion } = proxyActivities<Activities>({ ...step, summary: 'stop its ingestion' });
const { removeFromIndex } = proxyActivities<Activities>({ ...step, summary: 'remove from Elasticsearch' });
const { purgeDocument } = proxyActivities<Activities>({ ...step, summary: 'remove from PostgreSQL' });

/** Removes what a deleted document left. It stopped answering when the deletion was accepted. */
export async function deleteDocument(input: DeleteDocumentInput): Promise<void> {
  // First, because a running ingestion would write to the index again.
  setCurrentDetails('Stopping its ingestion');
  const stopped = await stopIngestion(input);
  setCurrentDetails('Removing it from Elasticsearch');
  await removeFromIndex(input);
  if (stopped) {
    // What the stopped ingestion had sent may overtake its removal, where Elasticsearch was just starting.
    await sleep(ingestion.lateWrites, { summary: 'writes that were under way may still land' });
    await removeFromIndex(input);
  }
  setCurrentDetails('Removing it from PostgreSQL');
  await purgeDocument(input);
  setCurrentDetails('Removed');
}
