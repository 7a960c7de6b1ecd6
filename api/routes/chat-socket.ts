import type { WebSocket } from '@fastify/websocket';
import type { FastifyRequest } from 'fastify';
import type { RawData } from 'ws';
import { z } from 'zod';
import { type Frame, isTerminal, pageHint, parsePosition } from '../../domain/chat.ts';
import { live } from '../../domain/deadlines.ts';
import { AppError } from '../../domain/errors.ts';
import { maxVisitorToken, visitorClaims } from '../../domain/visitor-logins.ts';
import type { App, AppDependencies } from '../app.ts';
import { admitKey } from '../plugins/access.ts';
import { toAppError } from '../plugins/errors.ts';
import { countMessage } from '../plugins/rate-limits.ts';
import { followTurn } from '../turn-frames.ts';
import { acceptTurn, cancelTurn, messageText, visibleTurn } from '../turns.ts';

/** The client's own name for a call; comes back with its reply. */
const ref = z.string().max(100).optional();
const position = z.string().transform((text, context) => {
  const parsed = parsePosition(text);
  if (parsed) return parsed;
  context.addIssue('must be the position of a frame, such as 1.17');
  return z.NEVER;
});
const turn = { ref, turnId: z.string(), conversationId: z.string().optional() };
const clientMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello'), key: z.string() }),
  z.object({
    type: z.literal('ask'),
    ref,
    message: messageText,
    conversationId: z.uuid().nullish(),
    page: pageHint.optional(),
    visitor: visitorClaims.optional(),
    visitorToken: z.string().max(maxVisitorToken).optional(),
    idempotencyKey: z.string().min(1).max(255).optional(),
  }),
  z.object({ type: z.literal('follow'), ...turn, after: position.optional() }),
  z.object({ type: z.literal('cancel'), ...turn }),
]);
type ClientMessage = z.infer<typeof clientMessage>;

/** Close codes: 4000 and above are for applications, 1012 says that the service restarts. */
const closeCodes = { unauthorized: 4401, restart: 1012 };
/** Each turn that is followed is looked at once a second. */
const maxFollowed = 20;

/** The same frames over a WebSocket, on which a client may ask, follow and cancel any number of turns. */
export function chatSocketRoute(app: App, deps: AppDependencies, stopping: AbortSignal): void {
  // Public: a page's socket shows its key in its first message.
  app.get('/v1/chat/socket', { websocket: true, config: { public: true } }, (socket, request) => {
    serve(deps, socket, request, stopping);
  });
}

function serve(
  deps: AppDependencies,
  socket: WebSocket,
  request: FastifyRequest,
  stopping: AbortSignal,
): void {
  let admitted = false;
  const gone = new AbortController();
  const followed = new Map<string, AbortController>();

  /** Resolves when the message is on its way, so that a slow client slows down only its own turns. */
  const send = (message: object) =>
    new Promise<void>((resolve) => socket.send(JSON.stringify(message), () => resolve()));

  const closeWhenIdle = () => {
    if (stopping.aborted && followed.size === 0) socket.close(closeCodes.restart, 'restarting');
  };

  const follow = async (turnId: string, frames: (signal: AbortSignal) => AsyncIterable<Frame>) => {
    // Following again, from another position say, takes the place of the first.
    followed.get(turnId)?.abort();
    const stop = new AbortController();
    followed.set(turnId, stop);
    const signal = AbortSignal.any([gone.signal, stop.signal]);
    try {
      for await (const frame of frames(signal)) {
        if (signal.aborted) break;
        await send(frame);
      }
    } catch (error) {
      request.log.warn({ err: error, turnId }, 'following a turn failed');
      // The client comes back and resumes.
      socket.terminate();
    } finally {
      if (followed.get(turnId) === stop) followed.delete(turnId);
      closeWhenIdle();
    }
  };

  const identify = async (key: string | undefined) => {
    try {
      await admitKey(request, deps, key, 'chat');
      admitted = true;
      clearTimeout(patience);
      await send({ type: 'ready' });
    } catch (error) {
      await refuse(error, undefined);
      socket.close(closeCodes.unauthorized, 'no valid key');
    }
  };

  const refuse = async (error: unknown, reference: string | undefined) => {
    const shown = toAppError(error, { body: undefined });
    if (shown.status >= 500) request.log.error({ err: error, code: shown.code }, 'message failed');
    await send({ type: 'refused', ref: reference, code: shown.code, message: shown.message });
  };

  const answer = async (message: Exclude<ClientMessage, { type: 'hello' }>): Promise<void> => {
    await countMessage(deps.stores.limits, deps.settings.rateLimits, request);
    if (message.type !== 'cancel') {
      if (stopping.aborted) throw new AppError('SERVICE_UNAVAILABLE');
      if (followed.size >= maxFollowed) {
        const text = `One socket can follow ${maxFollowed} turns at a time. Wait for one to end.`;
        throw new AppError('INVALID_REQUEST', { message: text });
      }
    }
    switch (message.type) {
      case 'ask': {
        const { message: text, conversationId, idempotencyKey, page, visitor: claims } = message;
        const { turnId, conversationId: id } = await acceptTurn(
          deps,
          request,
          { message: text, conversation: conversationId ? { id: conversationId } : 'new', page, claims },
          // The operation and the body of POST /v1/chat/turns: a client may repeat its call there.
          idempotencyKey === undefined
            ? undefined
            : {
                operation: 'turns',
                key: idempotencyKey,
                body: {
                  message: text,
                  ...(conversationId ? { conversationId } : {}),
                  ...(page ? { page } : {}),
                  ...(claims ? { visitor: claims } : {}),
                },
              },
          message.visitorToken,
        );
        const ids = { turnId, conversationId: id };
        await send({ type: 'accepted', ref: message.ref, ...ids });
        void follow(ids.turnId, (signal) =>
          followTurn(deps, { projectId: request.projectId, ...ids }, signal),
        );
        return;
      }
      case 'follow': {
        const { id: turnId, conversationId } = await visibleTurn(
          deps,
          request,
          message.turnId,
          message.conversationId,
        );
        const ids = { turnId, conversationId };
        await send({ type: 'accepted', ref: message.ref, ...ids });
        const { after } = message;
        void follow(turnId, (signal) =>
          followTurn(deps, { projectId: request.projectId, ...ids }, signal, after),
        );
        return;
      }
      case 'cancel': {
        const found = await visibleTurn(deps, request, message.turnId, message.conversationId);
        await cancelTurn(deps, request, found);
        const now = isTerminal(found.status)
          ? found
          : await deps.stores.turns.get(request.projectId, found.id);
        await send({
          type: 'cancelling',
          ref: message.ref,
          turnId: found.id,
          status: now?.status ?? found.status,
        });
      }
    }
  };

  const receive = async (data: RawData): Promise<void> => {
    const given = parse(data);
    const reference = typeof given?.ref === 'string' ? given.ref.slice(0, 100) : undefined;
    try {
      const { data: message, error } = clientMessage.safeParse(given);
      if (!message) throw new AppError('INVALID_REQUEST', { message: z.prettifyError(error) });
      if (message.type === 'hello') await identify(message.key);
      else if (admitted) await answer(message);
      else await identify(undefined);
    } catch (error) {
      await refuse(error, reference);
    }
  };

  // One message after the other: questions are queued in the order in which they were sent.
  let received: Promise<void> = Promise.resolve();
  socket.on('message', (data) => {
    alive = true;
    socket.pause();
    received = received.then(() => receive(data)).finally(() => socket.resume());
  });

  let alive = true;
  socket.on('pong', () => {
    alive = true;
  });
  const keepAlive = setInterval(() => {
    if (!alive) socket.terminate();
    alive = false;
    socket.ping();
  }, live.keepAlive);
  const patience = setTimeout(() => void identify(undefined), live.socketHello);
  stopping.addEventListener('abort', closeWhenIdle);
  socket.on('close', () => {
    clearInterval(keepAlive);
    clearTimeout(patience);
    stopping.removeEventListener('abort', closeWhenIdle);
    gone.abort();
  });

  const header = request.headers['x-api-key'] ?? request.headers['x-widget-api-key'];
  if (typeof header === 'string') received = identify(header);
}

/** The message as an object; undefined where it is no JSON object. */
function parse(data: RawData): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(data.toString());
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
