import { z } from 'zod';
import { pageHint } from '../../domain/chat.ts';
import type { App, AppDependencies } from '../app.ts';
import { streamToSession } from '../compat/ndjson.ts';
import { idempotencyOf } from '../idempotency.ts';
import { closed, sendEvents, sendLines } from '../turn-streams.ts';
import { acceptTurn, followAccepted, messageText, recordedTurn, sessionName, usageOf } from '../turns.ts';
import { closestDocument, linesOf, source } from '../schemas.ts';

const askBody = z.object({
  message: messageText,
  conversationId: z.uuid().nullish(),
  page: pageHint.optional(),
});

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

/** Asking: waiting for the recorded answer, or reading it live. */
export function chatRoutes(app: App, deps: AppDependencies): void {
  const streaming = {
    scope: 'chat',
    errors: ['CONVERSATION_NOT_FOUND', 'IDEMPOTENCY_KEY_REUSED', 'TOKEN_LIMIT_EXCEEDED'],
  } as const;
  const config = { ...streaming, errors: [...streaming.errors, 'TURN_FAILED', 'TURN_CANCELLED'] } as const;

  app.post(
    '/chat',
    {
      config,
      schema: {
        tags,
        summary: 'Ask and wait for the answer; with a sessionId, the same as POST /v1/chat/stream',
        body: askBody.extend({ sessionId: sessionName.optional() }),
        response: { 200: answer },
      },
    },
    async (request, reply) => {
      const { message, conversationId, sessionId, page } = request.body;
      if (sessionId !== undefined) {
        return await streamToSession(deps, request, reply, { message, sessionId, page });
      }
      const accepted = await acceptTurn(
        deps,
        request,
        { message, conversation: conversationId ? { id: conversationId } : 'new', page },
        idempotencyOf(request, 'chat'),
      );
      const turn = await recordedTurn(deps, request, accepted, closed(reply));
      return {
        reply: turn.reply ?? '',
        conversationId: turn.conversationId,
        turnId: turn.id,
        usage: usageOf(turn),
        sources: turn.sources,
        ...(turn.status === 'declined' ? { closest: turn.closest } : {}),
      };
    },
  );

  app.post(
    '/v1/chat/turns',
    {
      config: streaming,
      schema: {
        tags,
        summary: 'Ask and read the answer live: NDJSON, or server-sent events with Accept: text/event-stream',
        body: askBody,
        response: { 200: linesOf(frame, 'One frame a line; `done` or `error` is the last.') },
      },
    },
    async (request, reply) => {
      const { message, conversationId, page } = request.body;
      const accepted = await acceptTurn(
        deps,
        request,
        { message, conversation: conversationId ? { id: conversationId } : 'new', page },
        idempotencyOf(request, 'turns'),
      );
      const frames = followAccepted(deps, request, accepted, closed(reply));
      const wantsEvents = request.headers.accept?.includes('text/event-stream');
      return wantsEvents ? sendEvents(reply, frames) : sendLines(reply, frames, (frame) => [frame]);
    },
  );
}
