import { ActivityFailure, ApplicationFailure, CancelledFailure, isCancellation } from '@temporalio/workflow';

/** What an activity threw, without Temporal's wrapping; anything else as it is. */
export const causeOf = (error: unknown): unknown => (error instanceof ActivityFailure ? error.cause : error);

/** The code that an activity failed with, or `otherwise` where it named none. */
export function codeOf(error: unknown, otherwise: string): string {
  const cause = causeOf(error);
  return (cause instanceof ApplicationFailure && cause.type) || otherwise;
}

/**
 * Whether a step ended because it was stopped. One whose end is waited for may have failed meanwhile, with whatever went
 * wrong in it last: Temporal does not try again what is to be cancelled.
 */
export const wasStopped = (error: unknown): boolean =>
  isCancellation(error) || (error instanceof ActivityFailure && error.retryState === 'CANCEL_REQUESTED');

/** What a workflow throws to end as cancelled after a step that was stopped. */
export const cancellationOf = (error: unknown, message: string): unknown =>
  isCancellation(error) ? error : new CancelledFailure(message);
