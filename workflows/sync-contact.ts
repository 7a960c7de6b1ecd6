import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  proxyActivities,
  rootCause,
  setCurrentDetails,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { crm, record } from '../domain/deadlines.ts';
import type { SyncContactInput } from '../domain/flows.ts';

const { sendContact } = proxyActivities<Activities>({
  summary: 'send the lead to the CRM',
  startToCloseTimeout: crm.attempt,
  scheduleToCloseTimeout: crm.giveUpAfter,
  retry: crm.retry,
});
const { giveUpContact } = proxyActivities<Activities>({
  summary: 'record that it was given up',
  startToCloseTimeout: record.attempt,
  retry: record.retry,
});

/** Makes a contact of a lead, or changes it, for as long as days. What changes meanwhile is sent, too. */
export async function syncContact(input: SyncContactInput): Promise<void> {
  try {
    let status: string;
    do {
      ({ status } = await sendContact(input));
    } while (status === 'pending');
    setCurrentDetails('The lead is in the CRM');
  } catch (error) {
    const trouble = rootCause(error) ?? 'unknown reason';
    const reason = isCancellation(error) ? 'An operator cancelled it.' : `Given up: ${trouble}`;
    setCurrentDetails(reason);
    await CancellationScope.nonCancellable(() => giveUpContact(input, reason));
    if (isCancellation(error)) throw error;
    const cause = error instanceof ActivityFailure ? error.cause : error;
    const code = cause instanceof ApplicationFailure && cause.type ? cause.type : 'CONTACT_GIVEN_UP';
    throw ApplicationFailure.nonRetryable(reason, code);
  }
}
