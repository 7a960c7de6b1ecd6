import { CancellationScope, condition } from '@temporalio/workflow';
import { wasStopped } from './failures.ts';

/**
 * Steps that operators can pause. Pausing cancels the step under way; resuming runs it again, and it goes on where it
 * stopped. `record` writes down what a pause changes.
 */
export function createPausable(record: (paused: boolean) => Promise<void>) {
  let paused = false;
  let interrupted = false;
  let running: CancellationScope | undefined;

  return {
    get paused(): boolean {
      return paused;
    },

    pause(): void {
      paused = true;
      interrupted = true;
      running?.cancel();
    },

    resume(): void {
      paused = false;
    },

    async run<T>(step: () => Promise<T>): Promise<T> {
      for (;;) {
        while (paused) {
          await record(true);
          await condition(() => !paused);
          await record(false);
        }
        interrupted = false;
        running = new CancellationScope();
        try {
          return await running.run(step);
        } catch (error) {
          const cancelled = CancellationScope.current().consideredCancelled;
          if (!interrupted || cancelled || !wasStopped(error)) throw error;
        } finally {
          running = undefined;
        }
      }
    },
  };
}
