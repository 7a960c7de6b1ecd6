import { proxyActivities, setCurrentDetails, sleep } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { ingestion } from '../domain/deadlines.ts';
import type { EraseVisitorInput } from '../domain/flows.ts';

// Without a limit: what was accepted is erased, however long a server is away.
const step = {
  startToCloseTimeout: ingestion.step,
  heartbeatTimeout: ingestion.heartbeat,
  retry: ingestion.retry,
};

const { endVisitorWorkflows } = proxyActivities<Activities>({ ...step, summary: 'end what runs for them' });
const { removeVisitorRows } = proxyActivities<Activities>({ ...step, summary: 'remove from PostgreSQL' });
const { deleteVisitorHistories } = proxyActivities<Activities>({
  ...step,
  summary: 'delete their histories in Temporal',
});
const { verifyVisitorIsGone } = proxyActivities<Activities>({
  ...step,
  summary: 'look for what is left, and issue the receipt',
});

/** Erases all that there is of a visitor. Nothing of them is in Elasticsearch: it holds the business's documents only. */
export async function eraseVisitor(input: EraseVisitorInput): Promise<void> {
  setCurrentDetails('Ending what runs for them');
  const { ended } = await endVisitorWorkflows(input);
  if (ended > 0) {
    await sleep(ingestion.lateWrites, { summary: 'writes that were under way may still land' });
    await endVisitorWorkflows(input);
  }
  setCurrentDetails('Removing them from PostgreSQL');
  await removeVisitorRows(input);
  setCurrentDetails('Deleting their histories');
  await deleteVisitorHistories(input);
  setCurrentDetails('Looking for what is left');
  await verifyVisitorIsGone(input);
  setCurrentDetails('Erased');
}
