import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { AppError, ProviderError } from '../domain/errors.ts';
import { outboundErrorIn } from '../outbound/outbound-error.ts';

type AsyncFunctions = Record<string, (...args: never[]) => Promise<unknown>>;

/** Makes what activities throw readable in the Temporal UI: a typed failure with a short reason and no payload. */
export function readableFailures<T extends AsyncFunctions>(activities: T): T {
  const wrapped = Object.entries(activities).map(([name, activity]) => [
    name,
    async (...args: never[]) => {
      try {
        return await activity(...args);
      } catch (error) {
        const { cancellationSignal } = Context.current();
        // Libraries have errors of their own for an aborted call; Temporal knows only this one.
        throw cancellationSignal.aborted ? cancellationSignal.reason : toFailure(error);
      }
    },
  ]);
  return Object.fromEntries(wrapped) as T;
}

function toFailure(error: unknown): unknown {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure || !(error instanceof Error)) {
    return error;
  }
  if (error instanceof AppError) {
    // What was removed does not come back.
    return ApplicationFailure.create({
      message: error.message,
      type: error.code,
      nonRetryable: error.status === 404,
    });
  }
  if (error instanceof ProviderError) {
    return ApplicationFailure.create({
      message: error.message,
      type: error.type,
      nonRetryable: !error.retryable,
      ...(error.retryAfterMs === undefined ? {} : { nextRetryDelay: error.retryAfterMs }),
    });
  }
  const outbound = outboundErrorIn(error);
  if (outbound) {
    const { message, code: type, retryable } = outbound;
    return ApplicationFailure.create({ message, type, nonRetryable: !retryable });
  }
  return ApplicationFailure.create({ message: error.message, type: error.name });
}
