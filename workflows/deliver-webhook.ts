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
import { record, webhooks } from '../domain/deadlines.ts';
import type { DeliverWebhookInput } from '../domain/flows.ts';

const { sendWebhook } = proxyActivities<Activities>({
  summary: 'call the receiver',
  startToCloseTimeout: webhooks.attempt,
  scheduleToCloseTimeout: webhooks.giveUpAfter,
  retry: webhooks.retry,
});
const { giveUpWebhook } = proxyActivities<Activities>({
  summary: 'record that it was given up',
  startToCloseTimeout: record.attempt,
  retry: record.retry,
});

/** Tells one webhook of one event, for as long as days. */
export async function deliverWebhook(input: DeliverWebhookInput): Promise<{ status: number | null }> {
  try {
    const delivered = await sendWebhook(input);
    setCurrentDetails('Delivered');
    return delivered;
  } catch (error) {
    const trouble = rootCause(error) ?? 'unknown reason';
    const reason = isCancellation(error) ? 'An operator cancelled it.' : `Given up: ${trouble}`;
    setCurrentDetails(reason);
    await CancellationScope.nonCancellable(() => giveUpWebhook(input, reason));
    if (isCancellation(error)) throw error;
    const cause = error instanceof ActivityFailure ? error.cause : error;
    const code = cause instanceof ApplicationFailure && cause.type ? cause.type : 'WEBHOOK_GIVEN_UP';
    throw ApplicationFailure.nonRetryable(reason, code);
  }
}
