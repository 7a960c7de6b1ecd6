import { Semaphore, withTimeout } from 'async-mutex';
import { turn as timing } from '../../domain/deadlines.ts';

/** How many finished answers a worker records at once. Without visitors who wait, one takes some 50 ms. */
const slots = 3;

/**
 * First tokens go first: when more visitors ask than the processors can serve at once, those who have read their whole
 * answer wait for it to be recorded, and those who have nothing yet do not wait for that. Measured with bench/turns, 60
 * visitors at once (docs/decisions/0074-first-tokens-first.md).
 */
export function createRecordingSlots() {
  const semaphore = withTimeout(new Semaphore(slots), timing.recordingWait);
  const held = new Map<string, () => void>();

  return {
    /** Resolves once the turn may be recorded: with a slot of its own, or without one after `recordingWait`. */
    async acquire(turnId: string): Promise<void> {
      let free: () => void;
      try {
        [, free] = await semaphore.acquire();
      } catch {
        // The wait was long enough.
        return;
      }
      const giveBack = () => {
        clearTimeout(limit);
        if (held.get(turnId) === giveBack) held.delete(turnId);
        free();
      };
      // Its workflow may go on in another worker, which knows nothing of this slot.
      const limit = setTimeout(giveBack, timing.recordingSlot);
      held.set(turnId, giveBack);
    },

    /** The turn is recorded; its slot, if it has one here, goes to the next. */
    release(turnId: string): void {
      held.get(turnId)?.();
    },
  };
}
