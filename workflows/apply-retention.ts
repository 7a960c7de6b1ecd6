import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { retention } from '../domain/deadlines.ts';

const { removeExpired } = proxyActivities<Activities>({
  summary: 'remove what is too old',
  startToCloseTimeout: retention.attempt,
  heartbeatTimeout: retention.heartbeat,
  retry: retention.retry,
});

/** Every night: removes the conversations that projects do not want to keep (settings.retentionDays). */
export async function applyRetention(): Promise<{ conversations: number; deliveries: number }> {
  const removed = await removeExpired();
  setCurrentDetails(
    `Removed ${removed.conversations} conversations and ${removed.deliveries} webhook deliveries`,
  );
  return removed;
}
