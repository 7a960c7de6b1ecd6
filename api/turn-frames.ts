import { type Frame, isTerminal, terminalFrame } from '../domain/chat.ts';
import { live } from '../domain/deadlines.ts';
import type { FrameListener } from '../stores/postgres/frames.ts';
import type { Stores } from '../stores/postgres/index.ts';

/**
 * A turn's frames as they come, ending with its terminal frame. Frames of an attempt that was given up are followed by
 * a `reset`. Notifications can be lost, so the reader also looks by itself; the turn's row has the last word.
 * Ends early, without a terminal frame, when the signal is aborted.
 */
export async function* followTurn(
  deps: { stores: Pick<Stores, 'turns'>; frameListener: FrameListener },
  turn: { projectId: string; turnId: string; conversationId: string },
  signal: AbortSignal,
): AsyncGenerator<Frame> {
  const { projectId, turnId, conversationId } = turn;
  const alarm = createAlarm(signal);
  const unsubscribe = deps.frameListener.subscribe(turnId, alarm.ring);
  let position = { attempt: 0, seq: -1 };
  try {
    yield { turnId, attempt: 0, seq: 0, type: 'start', conversationId };
    while (!signal.aborted) {
      const seen = await deps.stores.turns.follow(projectId, turnId, position);
      if (!seen) return;
      for (const frame of seen.frames) {
        yield frame;
        position = frame;
      }
      if (isTerminal(seen.status)) {
        const recorded = await deps.stores.turns.get(projectId, turnId);
        if (recorded) yield terminalFrame(recorded);
        return;
      }
      await alarm.next(live.poll);
    }
  } finally {
    unsubscribe();
    alarm.stop();
  }
}

/** Waits for a ring or a timeout. A ring while nobody waits is kept for the next wait. */
function createAlarm(signal: AbortSignal) {
  let rung = false;
  let wake: (() => void) | undefined;
  const ring = () => {
    rung = true;
    wake?.();
  };
  signal.addEventListener('abort', ring);
  return {
    ring,
    async next(timeoutMs: number): Promise<void> {
      if (!rung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      rung = false;
      wake = undefined;
    },
    stop: () => signal.removeEventListener('abort', ring),
  };
}
