import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import {
  beginning,
  type Frame,
  type FramePosition,
  isTerminal,
  removedFrame,
  terminalFrame,
} from '../domain/chat.ts';
import { live } from '../domain/deadlines.ts';
import type { FrameListener } from '../stores/postgres/frames.ts';
import type { Stores } from '../stores/postgres/index.ts';

export interface FollowDependencies {
  stores: Pick<Stores, 'turns'>;
  frameListener: FrameListener;
  logger: Pick<Logger, 'warn'>;
}

/**
 * A turn's frames as they come, ending with its terminal frame: all of them, or those after a position. Frames of an
 * attempt that was given up are followed by a `reset`. Notifications can be lost, so the reader also looks by itself;
 * the turn's row has the last word. Ends early, without a terminal frame, when the signal is aborted; throws when
 * PostgreSQL stays away.
 */
export async function* followTurn(
  deps: FollowDependencies,
  turn: { projectId: string; turnId: string; conversationId: string },
  signal: AbortSignal,
  after: FramePosition = beginning,
): AsyncGenerator<Frame> {
  const { projectId, turnId, conversationId } = turn;
  const alarm = createAlarm(signal);
  const unsubscribe = deps.frameListener.subscribe(turnId, alarm.ring);
  let position = after;
  try {
    if (after === beginning) yield { turnId, attempt: 0, seq: 0, type: 'start', conversationId };
    while (!signal.aborted) {
      const seen = await patiently(deps, signal, () => deps.stores.turns.follow(projectId, turnId, position));
      for (const frame of seen?.frames ?? []) {
        yield frame;
        position = frame;
      }
      if (!seen || isTerminal(seen.status)) {
        const recorded = await patiently(deps, signal, () => deps.stores.turns.get(projectId, turnId));
        yield recorded ? terminalFrame(recorded) : removedFrame(turnId);
        return;
      }
      await alarm.next(live.poll);
    }
  } finally {
    unsubscribe();
    alarm.stop();
  }
}

/** Reads, through an outage of PostgreSQL that is not too long. */
async function patiently<T>(
  { logger }: FollowDependencies,
  signal: AbortSignal,
  read: () => Promise<T>,
): Promise<T> {
  const end = Date.now() + live.outage;
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (signal.aborted || Date.now() > end) throw error;
      logger.warn({ err: error }, 'a turn could not be read, trying again');
      await sleep(live.poll, undefined, { signal }).catch(() => {});
    }
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
