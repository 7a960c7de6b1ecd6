import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { dispatch as timing } from '../domain/deadlines.ts';
import { AppError } from '../domain/errors.ts';
import type { CrawlOrder } from '../domain/sources.ts';

export type OrderCrawl = ReturnType<typeof createCrawlOrders>;

/** Tells a crawl under way something, by the id of its workflow. */
export function createCrawlOrders(client: Client) {
  /**
   * False where it has ended. Throws SERVICE_UNAVAILABLE where it has not begun yet or Temporal does not answer; then
   * nothing was told.
   */
  return async (crawl: { workflowId: string; begun: boolean }, order: CrawlOrder): Promise<boolean> => {
    const handle = client.workflow.getHandle(crawl.workflowId);
    try {
      await client.connection.withDeadline(Date.now() + timing.start, async () => {
        if (order === 'cancel') await handle.cancel();
        else await handle.signal(order);
      });
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError && crawl.begun) return false;
      throw new AppError('SERVICE_UNAVAILABLE', { cause: error, details: { retryAfterSeconds: 5 } });
    }
  };
}
