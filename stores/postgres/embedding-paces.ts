import { pacing } from '../../domain/deadlines.ts';
import type { Sql } from './client.ts';

export type EmbeddingPaceStore = ReturnType<typeof createEmbeddingPaceStore>;

/**
 * Slots for calls of embedding providers, shared by all workers. `now` is the caller's present: a workflow that has
 * waited until a moment has reached it, whatever the clocks of its worker and of this server say.
 */
export function createEmbeddingPaceStore(sql: Sql) {
  return {
    /** The moment of the call's own slot; not granted where that is further away than the caller will wait. */
    async claim(
      key: string,
      slot: { now: Date; everyMs: number; withinMs: number },
    ): Promise<{ at: Date; granted: boolean }> {
      const { now, everyMs, withinMs } = slot;
      return await sql.begin(async (tx) => {
        await tx`insert into embedding_paces (key, next_at) values (${key}, ${now}) on conflict do nothing`;
        const [row] = await tx<{ at: Date }[]>`
          select greatest(next_at, blocked_until, ${now}) as at from embedding_paces where key = ${key} for update`;
        const { at } = row!;
        const granted = at.getTime() - now.getTime() <= withinMs;
        if (granted) {
          await tx`update embedding_paces set next_at = ${new Date(at.getTime() + everyMs)} where key = ${key}`;
        }
        return { at, granted };
      });
    },

    /**
     * The provider has refused a call. Until when nobody calls it: what it asked for, or longer each time it refuses
     * the first call after such a pause. Calls that were under way together count as one.
     */
    async refused(key: string, refusal: { now: Date; retryAfterMs: number | undefined }): Promise<Date> {
      const { now, retryAfterMs = 0 } = refusal;
      return await sql.begin(async (tx) => {
        const [row] = await tx<{ blockedUntil: Date | null; refusals: number }[]>`
          select blocked_until, refusals from embedding_paces where key = ${key} for update`;
        const { blockedUntil = null, refusals = 0 } = row ?? {};
        if (blockedUntil && blockedUntil > now) return blockedUntil;
        const { initial, backoffCoefficient, maximum, askedAtMost } = pacing.pause;
        const own = Math.min(initial * backoffCoefficient ** refusals, maximum);
        const pause = Math.max(own, Math.min(retryAfterMs, askedAtMost));
        const until = new Date(now.getTime() + pause);
        await tx`
          insert into embedding_paces (key, next_at, blocked_until, refusals) values (${key}, ${until}, ${until}, 1)
          on conflict (key) do update set blocked_until = ${until}, refusals = embedding_paces.refusals + 1`;
        return until;
      });
    },

    /** A call was answered: the next pause begins small again. */
    async answered(key: string): Promise<void> {
      await sql`update embedding_paces set refusals = 0, blocked_until = null where key = ${key} and refusals > 0`;
    },
  };
}
