// Turns as HTTP responses: the same frames as lines of JSON, or as server-sent events.
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { type Frame, positionText } from '../domain/chat.ts';
import { live } from '../domain/deadlines.ts';

/** Aborts when the client has gone or has everything. The turn goes on without it. */
export function closed(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  if (reply.raw.destroyed) controller.abort();
  reply.raw.once('close', () => controller.abort());
  return controller.signal;
}

/** Sends frames as lines of JSON, each as soon as it comes and as fast as the client takes them. */
export function sendLines(
  reply: FastifyReply,
  frames: AsyncIterable<Frame>,
  linesOf: (frame: Frame) => readonly object[],
) {
  const lines = async function* () {
    for await (const frame of frames) for (const line of linesOf(frame)) yield `${JSON.stringify(line)}\n`;
  };
  return send(reply, 'application/x-ndjson; charset=utf-8', lines());
}

/** Sends frames as server-sent events, each with its position as id, and a comment when there is nothing else to say. */
export function sendEvents(reply: FastifyReply, frames: AsyncIterable<Frame>) {
  // Keep-alives make a client that still reads take something; one that does not is cut off.
  reply.raw.setTimeout(live.stalled);
  const events = async function* () {
    // Something goes out at once, so that proxies and the client know that the stream is open.
    yield ': open\n\n';
    for await (const frame of withPauses(frames, live.keepAlive)) {
      yield frame ? `id: ${positionText(frame)}\ndata: ${JSON.stringify(frame)}\n\n` : ': keep-alive\n\n';
    }
  };
  return send(reply, 'text/event-stream; charset=utf-8', events());
}

/** Sends text as it comes, past proxies that would hold it back. */
export function send(reply: FastifyReply, contentType: string, parts: AsyncIterable<string>) {
  return reply
    .header('content-type', contentType)
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no')
    .send(Readable.from(parts, { objectMode: false }));
}

/** The source's items, with `undefined` wherever it was silent for so long. */
export async function* withPauses<T>(
  source: AsyncIterable<T>,
  everyMs: number,
): AsyncGenerator<T | undefined> {
  const items = source[Symbol.asyncIterator]();
  let next = items.next();
  // Awaited below; a failure while nobody waits must not count as unhandled.
  next.catch(() => {});
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const pause = new Promise<'pause'>((resolve) => {
        timer = setTimeout(resolve, everyMs, 'pause');
      });
      const first = await Promise.race([next, pause]).finally(() => clearTimeout(timer));
      if (first === 'pause') {
        yield undefined;
        continue;
      }
      if (first.done) return;
      next = items.next();
      next.catch(() => {});
      yield first.value;
    }
  } finally {
    void items.return?.().catch(() => {});
  }
}
