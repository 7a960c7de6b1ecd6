import { patched, proxyActivities, rootCause, setCurrentDetails, sleep } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { crm, ingestion, record } from '../domain/deadlines.ts';
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

const { eraseContact } = proxyActivities<Activities>({
  summary: 'delete their contact in the CRM',
  startToCloseTimeout: crm.attempt,
  // A CRM is somebody else's: one that refuses for days must not keep the rest.
  scheduleToCloseTimeout: crm.giveUpAfter,
  retry: crm.retry,
});
const { leaveContact } = proxyActivities<Activities>({
  summary: 'record that their contact in the CRM stays',
  startToCloseTimeout: record.attempt,
  retry: record.retry,
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
  if (patched('erase-contact')) {
    setCurrentDetails('Deleting their contact in the CRM');
    try {
      await eraseContact(input);
    } catch (error) {
      await leaveContact(input, `Delete the contact there by hand: ${rootCause(error) ?? 'unknown reason'}`);
    }
  }
  setCurrentDetails('Looking for what is left');
  await verifyVisitorIsGone(input);
  setCurrentDetails('Erased');
}
