import { Context } from '@temporalio/activity';

/**
 * Runs `work` with a heartbeat at a steady pace, so that a dead worker is noticed soon, and with the signal that the
 * workflow's cancellation aborts. `report` sets what the heartbeat says, which the Temporal UI shows.
 */
export async function withHeartbeat<T>(
  everyMs: number,
  work: (signal: AbortSignal, report: (details: unknown) => void) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  let details: unknown;
  const beat = () => context.heartbeat(details);
  const timer = setInterval(beat, everyMs);
  try {
    return await work(context.cancellationSignal, (next) => {
      details = next;
    });
  } finally {
    clearInterval(timer);
  }
}
