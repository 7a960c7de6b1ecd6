import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { live } from '../domain/deadlines.ts';
import { closed, send, withPauses } from './turn-streams.ts';

/** The reply of a route that streams server-sent events with this data. */
export const eventsOf = (data: z.ZodType) => ({
  description: 'One event a change; the stream ends once it has ended.',
  content: { 'text/event-stream': { schema: data } },
});

/**
 * Sends what `read` gives whenever it has changed, as events of this name, until it has ended, is gone, or the client
 * has gone. `first` is what was read already.
 */
export function sendChanges<T>(
  reply: FastifyReply,
  name: string,
  { first, read, ended }: { first: T; read: () => Promise<T | undefined>; ended: (value: T) => boolean },
) {
  reply.raw.setTimeout(live.stalled);
  const gone = closed(reply);
  const changes = async function* () {
    let value = first;
    let sent: string | undefined;
    while (!gone.aborted) {
      const text = JSON.stringify(value);
      if (text !== sent) yield text;
      sent = text;
      if (ended(value)) return;
      await new Promise((resolve) => setTimeout(resolve, live.poll));
      const next = await read();
      if (next === undefined) return;
      value = next;
    }
  };
  const events = async function* () {
    for await (const text of withPauses(changes(), live.keepAlive)) {
      yield text === undefined ? ': keep-alive\n\n' : `event: ${name}\ndata: ${text}\n\n`;
    }
  };
  return send(reply, 'text/event-stream; charset=utf-8', events());
}
