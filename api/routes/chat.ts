import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type Frame, isTerminal, maxMessageLength, type Turn } from '../../domain/chat.ts';
import { chatWait } from '../../domain/deadlines.ts';
import { AppError } from '../../domain/errors.ts';
import type { AcceptedTurn, NewTurn } from '../../stores/postgres/turns.ts';
import type { App, AppDependencies } from '../app.ts';
import { ndjsonOf } from '../compat/ndjson.ts';
import { idempotencyOf } from '../idempotency.ts';
import { hashOf, takeFrom } from '../plugins/rate-limits.ts';
import { closestDocument, linesOf, source } from '../schemas.ts';
import { followTurn } from '../turn-frames.ts';

const message = z.string().trim().min(1, 'must not be empty').max(maxMessageLength);
const chatBody = z.object({ message, conversationId: z.uuid().nullish() });
const sessionBody = z.object({ message, sessionId: z.string().min(1).max(200) });

const tags = ['Chat'];
const answer = z.object({
  reply: z.string(),
  conversationId: z.string(),
  turnId: z.string(),
  usage: z.object({ promptTokens: z.int(), completionTokens: z.int(), totalTokens: z.int() }),
  sources: z.array(source).describe('Empty when the documents do not answer the question.'),
  closest: z.array(closestDocument).optional().describe('What came closest, when there is no answer.'),
});
const position = { turnId: z.string(), attempt: z.int(), seq: z.int() };
const frame = z.discriminatedUnion('type', [
  z.object({ type: z.literal('start'), ...position, conversationId: z.string() }),
  z.object({ type: z.literal('reset'), ...position }).describe('A new attempt: drop the text so far.'),
  z.object({ type: z.literal('token'), ...position, text: z.string() }),
  z.object({ type: z.literal('sources'), ...position, sources: z.array(source) }),
  z.object({
    type: z.literal('done'),
    ...position,
    status: z.enum(['answered', 'declined', 'cancelled']),
    reply: z.string(),
    sources: z.array(source),
    closest: z.array(closestDocument),
  }),
  z.object({ type: z.literal('error'), ...position, code: z.string(), message: z.string() }),
]);
const line = z.discriminatedUnion('type', [
  z.object({ type: z.literal('start'), conversationId: z.string() }),
  z.object({ type: z.literal('token'), token: z.string() }),
  z.object({ type: z.literal('done'), message: z.string(), conversationId: z.string() }),
  z.object({ type: z.literal('error'), error: z.string() }),
]);

const schemas = {
  chat: {
    summary: 'Asks a question and waits for the recorded answer',
    tags,
    body: chatBody,
    response: { 200: answer },
  },
  turns: {
    summary: 'Asks a question and streams the turn’s frames',
    tags,
    body: chatBody,
    response: { 200: linesOf(frame, 'One frame a line; `done` or `error` is the last.') },
  },
  stream: {
    summary: 'Asks a question in a session that the client names, and streams the answer',
    tags,
    body: sessionBody,
    response: { 200: linesOf(line, '`start`, `token`s, then `done` or `error`.') },
  },
};

export function chatRoutes(app: App, deps: AppDependencies): void {
  const streaming = {
    scope: 'chat',
    errors: ['CONVERSATION_NOT_FOUND', 'IDEMPOTENCY_KEY_REUSED', 'TOKEN_LIMIT_EXCEEDED'],
  } as const;
  const config = { ...streaming, errors: [...streaming.errors, 'TURN_FAILED', 'TURN_CANCELLED'] } as const;

  const { sessionRequests: points, windowMs } = deps.settings.rateLimits;
  const perSession = { name: 'session', points, windowMs };

  const accept = async (
    request: FastifyRequest,
    reply: FastifyReply,
    turn: NewTurn,
    operation: string,
  ): Promise<AcceptedTurn> => {
    if (turn.conversation !== 'new') {
      const session = 'id' in turn.conversation ? turn.conversation.id : turn.conversation.sessionId;
      await takeFrom(deps.stores.limits, reply, perSession, hashOf(request.projectId, session));
    }
    const accepted = await deps.stores.turns.accept(
      request.projectId,
      turn,
      idempotencyOf(request, operation),
    );
    request.log.info(
      { projectId: request.projectId, turnId: accepted.turnId, conversationId: accepted.conversationId },
      'turn accepted',
    );
    if (accepted.dispatch) deps.dispatcher.startSoon(accepted.dispatch);
    return accepted;
  };

  const follow = (request: FastifyRequest, accepted: AcceptedTurn, signal: AbortSignal) =>
    followTurn(deps, { projectId: request.projectId, ...accepted }, signal);

  // The native call: waits for the recorded answer.
  app.post('/chat', { config, schema: schemas.chat }, async (request, reply) => {
    const { conversationId } = request.body;
    const conversation = conversationId ? ({ id: conversationId } as const) : 'new';
    const accepted = await accept(request, reply, { message: request.body.message, conversation }, 'chat');
    const turn = await recorded(deps, request.projectId, accepted, closed(reply));
    return {
      reply: turn.reply ?? '',
      conversationId: turn.conversationId,
      turnId: turn.id,
      usage: {
        promptTokens: turn.promptTokens,
        completionTokens: turn.completionTokens,
        totalTokens: turn.promptTokens + turn.completionTokens,
      },
      sources: turn.sources,
      ...(turn.status === 'declined' ? { closest: turn.closest } : {}),
    };
  });

  // The same turn live, as the design's frames, one a line.
  app.post('/v1/chat/turns', { config: streaming, schema: schemas.turns }, async (request, reply) => {
    const { conversationId } = request.body;
    const conversation = conversationId ? ({ id: conversationId } as const) : 'new';
    const accepted = await accept(request, reply, { message: request.body.message, conversation }, 'turns');
    return stream(reply, follow(request, accepted, closed(reply)), (frame) => [frame]);
  });

  // The same turn live, in the four line types of the contracts' section 4.
  app.post('/v1/chat/stream', { config: streaming, schema: schemas.stream }, async (request, reply) => {
    const { message, sessionId } = request.body;
    const accepted = await accept(request, reply, { message, conversation: { sessionId } }, 'stream');
    return stream(reply, follow(request, accepted, closed(reply)), ndjsonOf(accepted.conversationId));
  });
}

/** Waits until the turn is recorded. Throws TURN_FAILED or TURN_CANCELLED with the turn's id where there is no answer. */
async function recorded(
  deps: AppDependencies,
  projectId: string,
  accepted: AcceptedTurn,
  gone: AbortSignal,
): Promise<Turn> {
  const { turnId } = accepted;
  const signal = AbortSignal.any([gone, AbortSignal.timeout(chatWait)]);
  for await (const _ of followTurn(deps, { projectId, ...accepted }, signal));
  const turn = await deps.stores.turns.get(projectId, turnId);
  if (!turn || !isTerminal(turn.status)) {
    const message = 'The answer takes longer than expected; it will still be recorded under this turn.';
    throw new AppError('TURN_FAILED', { message, details: { turnId } });
  }
  if (turn.status === 'failed') {
    if (turn.errorCode === 'TOKEN_LIMIT_EXCEEDED') {
      const message = turn.errorMessage ?? undefined;
      throw new AppError(turn.errorCode, { ...(message ? { message } : {}), details: { turnId } });
    }
    const reason = turn.errorMessage ?? 'unknown';
    throw new AppError('TURN_FAILED', { details: { turnId, code: turn.errorCode, reason } });
  }
  if (turn.status === 'cancelled') throw new AppError('TURN_CANCELLED', { details: { turnId } });
  return turn;
}

/** Aborts when the client has gone or has everything. The turn goes on without it. */
function closed(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => controller.abort());
  return controller.signal;
}

/** Sends frames as lines of JSON, each as soon as it comes. */
function stream(
  reply: FastifyReply,
  frames: AsyncIterable<Frame>,
  linesOf: (frame: Frame) => readonly object[],
) {
  const lines = async function* () {
    for await (const frame of frames) for (const line of linesOf(frame)) yield `${JSON.stringify(line)}\n`;
  };
  return reply
    .header('content-type', 'application/x-ndjson; charset=utf-8')
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no')
    .send(Readable.from(lines(), { objectMode: false }));
}
