import { ApplicationFailure, CancellationScope, rootCause, setCurrentDetails } from '@temporalio/workflow';
import { cancellationOf, codeOf, wasStopped } from './failures.ts';

/**
 * Runs what is tried for days. When it ends without success, `giveUp` records why in words, and the workflow ends as the
 * work did: cancelled, or failed with the work's own code or `code`.
 */
export async function orGiveUp<T>(
  work: () => Promise<T>,
  giveUp: (reason: string) => Promise<void>,
  code: string,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const trouble = rootCause(error) ?? 'unknown reason';
    const reason = wasStopped(error) ? 'An operator cancelled it.' : `Given up: ${trouble}`;
    setCurrentDetails(reason);
    await CancellationScope.nonCancellable(() => giveUp(reason));
    if (wasStopped(error)) throw cancellationOf(error, reason);
    throw ApplicationFailure.nonRetryable(reason, codeOf(error, code));
  }
}
