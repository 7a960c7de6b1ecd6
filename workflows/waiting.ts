import { ApplicationFailure, setCurrentDetails, sleep } from '@temporalio/workflow';
import { pacing } from '../domain/deadlines.ts';
import type { Waiting } from '../domain/ingestion.ts';

/**
 * Runs a step again and again while it says that it cannot go on before some moment, with a timer until then. The step is
 * told the workflow's time. `steps` runs it and the wait, for workflows that can be paused. Fails where it has waited for
 * too long.
 */
export async function untilDone(
  step: (now: string) => Promise<Waiting | undefined>,
  steps: { run<T>(step: () => Promise<T>): Promise<T> } = { run: (work) => work() },
): Promise<void> {
  const giveUpAt = Date.now() + pacing.giveUpAfter;
  for (;;) {
    const waiting = await steps.run(() => step(new Date().toISOString()));
    if (!waiting) return;
    const { until, reason } = waiting;
    const at = Date.parse(until);
    if (at > giveUpAt) throw ApplicationFailure.nonRetryable(reason, 'WAITED_TOO_LONG');
    const summary = `waiting until ${until.slice(0, 16).replace('T', ' ')} UTC: ${reason}`.slice(0, 200);
    await steps.run(() => {
      setCurrentDetails(summary);
      return sleep(Math.max(1, at - Date.now()), { summary });
    });
  }
}
