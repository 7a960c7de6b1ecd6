// The SmartChat widget's socket: any number of messages, each with its key, answered one after the other.
import type { WebSocket } from '@fastify/websocket';
import type { FastifyRequest } from 'fastify';
import type { RawData } from 'ws';
import { z } from 'zod';
import { live } from '../../domain/deadlines.ts';
import { AppError } from '../../domain/errors.ts';
import { networkOf } from '../../domain/limits.ts';
import { maxVisitorToken } from '../../domain/visitor-logins.ts';
import type { App, AppDependencies } from '../app.ts';
import { admitKey } from '../plugins/access.ts';
import { toAppError } from '../plugins/errors.ts';
import { hashOf, takeOrRefuse } from '../plugins/rate-limits.ts';
import { storable } from '../plugins/storable-text.ts';
import { acceptTurn, followAccepted, messageText, sessionName } from '../turns.ts';
import { createShownText } from './shown-text.ts';

const clientMessage = z.object({
  message: messageText,
  api_key: z.string().max(500).optional(),
  user_token: z.string().max(maxVisitorToken).nullish(),
});

/** The service restarts: the client connects again after two seconds, as it always does. */
const restarting = 1012;
/** Messages that may wait while one is answered. */
const maxWaiting = 10;

export function smartChatSocket(app: App, deps: AppDependencies, stopping: AbortSignal): void {
  const params = z.object({ session_id: sessionName });
  app.get(
    '/api/chat/ws/chat/:session_id',
    { websocket: true, config: { public: true }, schema: { params, hide: true } },
    (socket, request) => serve(deps, socket, request, request.params.session_id, stopping),
  );
}

function serve(
  deps: AppDependencies,
  socket: WebSocket,
  request: FastifyRequest,
  sessionId: string,
  stopping: AbortSignal,
): void {
  const gone = new AbortController();
  let waiting = 0;

  /** Resolves when the message is on its way, so that a slow client slows down only its own answers. */
  const send = (message: object) =>
    new Promise<void>((resolve) => socket.send(JSON.stringify(message), () => resolve()));

  const closeWhenIdle = () => {
    if (stopping.aborted && waiting === 0) socket.close(restarting, 'restarting');
  };

  const answer = async (data: RawData): Promise<void> => {
    const { data: given, error } = clientMessage.safeParse(storable(parse(data)));
    if (!given) throw new AppError('INVALID_REQUEST', { message: problemOf(error) });
    await admit(deps, request, given.api_key);
    const turn = { message: given.message, conversation: { sessionId } };
    const accepted = await acceptTurn(deps, request, turn, undefined, given.user_token ?? undefined);
    await deps.stores.widgetConversations.note(request.projectId, accepted.conversationId, accepted.visitor);
    const textOf = createShownText();
    for await (const frame of followAccepted(deps, request, accepted, gone.signal)) {
      const content = textOf(frame);
      if (content !== '') await send({ type: 'chunk', content });
      if (frame.type === 'done') await send({ type: 'done' });
      if (frame.type === 'error') await send({ type: 'error', message: frame.message });
    }
  };

  const receive = async (data: RawData): Promise<void> => {
    if (gone.signal.aborted) return;
    try {
      await answer(data);
    } catch (error) {
      // The socket stays open: the next message may be a better one.
      const shown = toAppError(error, { body: undefined });
      if (shown.status >= 500) request.log.error({ err: error, code: shown.code }, 'message failed');
      else request.log.info({ code: shown.code }, 'message refused');
      await send({ type: 'error', message: shown.message });
    }
  };

  // Chunks do not say which question they answer, so there is one at a time.
  let received: Promise<void> = Promise.resolve();
  socket.on('message', (data) => {
    alive = true;
    if (waiting >= maxWaiting) {
      void send({ type: 'error', message: 'Too many messages at once. Wait for an answer.' });
      return;
    }
    waiting += 1;
    received = received
      .then(() => receive(data))
      .finally(() => {
        waiting -= 1;
        closeWhenIdle();
      });
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
  stopping.addEventListener('abort', closeWhenIdle);
  socket.on('close', () => {
    clearInterval(keepAlive);
    stopping.removeEventListener('abort', closeWhenIdle);
    gone.abort();
  });
}

async function admit(deps: AppDependencies, request: FastifyRequest, key: string | undefined): Promise<void> {
  const { stores, settings } = deps;
  const { requests, visitorRequests, windowMs } = settings.rateLimits;
  const network = networkOf(request.ip);
  try {
    await admitKey(request, deps, key, 'chat');
  } catch (error) {
    if (error instanceof AppError && error.code === 'INVALID_API_KEY') {
      await takeOrRefuse(stores.limits, { name: 'address', points: requests, windowMs }, hashOf(network));
    }
    throw error;
  }
  // As for a question over HTTP.
  const { id } = request.apiKey!;
  const perVisitor = { name: 'visitor', points: visitorRequests, windowMs };
  if (request.headers.origin !== undefined)
    await takeOrRefuse(stores.limits, perVisitor, hashOf(id, network));
  await takeOrRefuse(stores.limits, { name: 'key', points: requests, windowMs }, id);
}

const problemOf = (error: z.ZodError) => {
  const aboutMessage = error.issues.some(({ path }) => path[0] === 'message');
  return aboutMessage ? 'Send a "message" of 1 to 8,000 characters.' : 'Send {"message", "api_key"} as JSON.';
};

/** Undefined where it is no JSON. */
function parse(data: RawData): unknown {
  try {
    return JSON.parse(data.toString());
  } catch {
    return undefined;
  }
}
