import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';

/** What an activity threw, without Temporal's wrapping; anything else as it is. */
export const causeOf = (error: unknown): unknown => (error instanceof ActivityFailure ? error.cause : error);

/** The code that an activity failed with, or `otherwise` where it named none. */
export function codeOf(error: unknown, otherwise: string): string {
  const cause = causeOf(error);
  return (cause instanceof ApplicationFailure && cause.type) || otherwise;
}
