import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { record, webhooks } from '../domain/deadlines.ts';
import type { DeliverWebhookInput } from '../domain/flows.ts';
import { orGiveUp } from './give-up.ts';

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
  const delivered = await orGiveUp(
    () => sendWebhook(input),
    (reason) => giveUpWebhook(input, reason),
    'WEBHOOK_GIVEN_UP',
  );
  setCurrentDetails('Delivered');
  return delivered;
}
