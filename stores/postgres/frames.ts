import type { Frame } from '../../domain/chat.ts';
import { live } from '../../domain/deadlines.ts';
import type { Sql } from './client.ts';
import { asJson } from './json.ts';

/**
 * Live frames between the worker that generates and the API processes whose visitors wait. Everything here may be
 * lost without losing an answer. A larger site can put NATS or Redis behind this interface.
 */
export type FrameStore = ReturnType<typeof createFrameStore>;

const channel = 'frames';

export function createFrameStore(sql: Sql) {
  return {
    /** Adds frames and wakes their readers. */
    async append(projectId: string, turnId: string, frames: readonly Frame[]): Promise<void> {
      const rows = frames.map((frame) => ({
        projectId,
        turnId,
        attempt: frame.attempt,
        seq: frame.seq,
        frame: asJson(sql, frame),
      }));
      await sql`
        with added as (insert into frames ${sql(rows)} on conflict do nothing)
        select pg_notify(${channel}, ${turnId})`;
    },

    /** Wakes the turn's readers, because its row has changed. */
    async notify(turnId: string): Promise<void> {
      await sql`select pg_notify(${channel}, ${turnId})`;
    },

    async removeOld(): Promise<void> {
      await sql`delete from frames where created_at < now() - ${live.retention} * interval '1 millisecond'`;
    },
  };
}

/** Tells readers in this process that a turn may have something new. */
export interface FrameListener {
  /** Calls `wake` on news of the turn, until the returned function is called. */
  subscribe(turnId: string, wake: () => void): () => void;
}

/**
 * Listens on one connection for all readers of this process. The driver listens again after a lost connection;
 * what was notified meanwhile is lost, so readers also look by themselves (live.poll).
 */
export function createFrameListener(sql: Sql, onError: (error: unknown) => void): FrameListener {
  const readers = new Map<string, Set<() => void>>();
  const wakeAll = () => {
    for (const wakes of readers.values()) for (const wake of wakes) wake();
  };
  let listening = false;
  const listen = () => {
    if (listening) return;
    listening = true;
    sql
      .listen(
        channel,
        (turnId) => {
          for (const wake of readers.get(turnId) ?? []) wake();
        },
        wakeAll,
      )
      .catch((error: unknown) => {
        listening = false;
        onError(error);
      });
  };
  return {
    subscribe(turnId, wake) {
      listen();
      const wakes = readers.get(turnId) ?? new Set();
      readers.set(turnId, wakes.add(wake));
      return () => {
        wakes.delete(wake);
        if (wakes.size === 0) readers.delete(turnId);
      };
    },
  };
}
