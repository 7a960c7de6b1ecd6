import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { pageHint } from '../../domain/chat.ts';
import { AppError } from '../../domain/errors.ts';
import { visitorClaims } from '../../domain/visitor-logins.ts';
import type { App, AppDependencies } from '../app.ts';
import { streamToSession } from '../compat/ndjson.ts';
import { idempotencyOf } from '../idempotency.ts';
import { createLeadConversation } from '../lead-conversation.ts';
import { createLeadEntries } from '../lead-entries.ts';
import { closed, sendEvents, sendLines } from '../turn-streams.ts';
import { acceptTurn, followAccepted, messageText, recordedTurn, sessionName, usageOf } from '../turns.ts';
import { closestDocument, linesOf, personOffer, source } from '../schemas.ts';
import { visitorHeaders } from '../visitor-identity.ts';

const askBody = z.object({
  message: messageText,
  conversationId: z.uuid().nullish(),
  page: pageHint.optional(),
  visitor: visitorClaims
    .optional()
    .describe('Who the visitor is, as the page says: kept with the conversation, and never believed.'),
});
const liveBody = askBody.extend({
  leadSessionId: z
    .uuid()
    .optional()
    .describe(
      'A session of POST /assistant/chat that is ready: the question is asked in its conversation, and counts for its lead.',
    ),
});

const tags = ['Chat'];
const answer = z.object({
  reply: z.string(),
  conversationId: z.string(),
  turnId: z.string(),
  usage: z.object({ promptTokens: z.int(), completionTokens: z.int(), totalTokens: z.int() }),
  sources: z.array(source).describe('Empty when the documents do not answer the question.'),
  closest: z.array(closestDocument).optional().describe('What came closest, when there is no answer.'),
  offer: personOffer.optional(),
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
    offer: personOffer.optional(),
  }),
  z.object({ type: z.literal('error'), ...position, code: z.string(), message: z.string() }),
]);

/** Asking: waiting for the recorded answer, or reading it live. */
export function chatRoutes(app: App, deps: AppDependencies): void {
  const streaming = {
    scope: 'chat',
    errors: [
      'CONVERSATION_NOT_FOUND',
      'IDEMPOTENCY_KEY_REUSED',
      'TOKEN_LIMIT_EXCEEDED',
      'VISITOR_LOGIN_REQUIRED',
    ],
  } as const;
  const live = {
    ...streaming,
    errors: [
      ...streaming.errors,
      'ASSISTANT_SESSION_NOT_FOUND',
      'ASSISTANT_EMAIL_NOT_VERIFIED',
      'ASSISTANT_MESSAGE_LIMIT_REACHED',
    ],
  } as const;
  const config = { ...streaming, errors: [...streaming.errors, 'TURN_FAILED', 'TURN_CANCELLED'] } as const;

  app.post(
    '/chat',
    {
      config,
      schema: {
        tags,
        summary: 'Ask and wait for the answer; with a sessionId, the same as POST /v1/chat/stream',
        headers: visitorHeaders,
        body: askBody.extend({ sessionId: sessionName.optional() }),
        response: { 200: answer },
      },
    },
    async (request, reply) => {
      const { message, conversationId, sessionId, page, visitor: claims } = request.body;
      if (sessionId !== undefined) {
        return await streamToSession(deps, request, reply, { message, sessionId, page });
      }
      const accepted = await acceptTurn(
        deps,
        request,
        { message, conversation: conversationId ? { id: conversationId } : 'new', page, claims },
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
        ...(turn.offer ? { offer: turn.offer } : {}),
      };
    },
  );

  app.post(
    '/v1/chat/turns',
    {
      config: live,
      schema: {
        tags,
        summary: 'Ask and read the answer live: NDJSON, or server-sent events with Accept: text/event-stream',
        headers: visitorHeaders,
        body: liveBody,
        response: { 200: linesOf(frame, 'One frame a line; `done` or `error` is the last.') },
      },
    },
    async (request, reply) => {
      const { message, conversationId, leadSessionId, page, visitor: claims } = request.body;
      const accepted = leadSessionId
        ? await acceptOfLead(request, reply, leadSessionId, message)
        : await acceptTurn(
            deps,
            request,
            { message, conversation: conversationId ? { id: conversationId } : 'new', page, claims },
            idempotencyOf(request, 'turns'),
          );
      const frames = followAccepted(deps, request, accepted, closed(reply));
      const wantsEvents = request.headers.accept?.includes('text/event-stream');
      return wantsEvents ? sendEvents(reply, frames) : sendLines(reply, frames, (frame) => [frame]);
    },
  );

  const leadEntries = createLeadEntries(deps);
  const leadChat = createLeadConversation(deps);

  /** Takes a question in that a lead's session asks, and tells how many more it may ask where that is limited. */
  async function acceptOfLead(
    request: FastifyRequest,
    reply: FastifyReply,
    sessionId: string,
    message: string,
  ) {
    const { projectId } = request;
    const session = await leadEntries.find(projectId, sessionId);
    if (session.stage !== 'ready' && session.stage !== 'open')
      throw new AppError('ASSISTANT_EMAIL_NOT_VERIFIED');
    const accepted = await leadChat.accept(request, session, message, 'turns');
    const left = session.leadId && (await deps.stores.leads.answersLeft(projectId, session.leadId));
    if (typeof left === 'number') reply.header('x-messages-left', String(left));
    return accepted;
  }
}
