// The Convex-style widget's calls: a session of the client's choice, NDJSON lines of four types, and an admin's reading.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type Frame, pageHint } from '../../domain/chat.ts';
import { withoutMarks } from '../../domain/citation-marks.ts';
import { AppError } from '../../domain/errors.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { App, AppDependencies } from '../app.ts';
import { idempotencyOf } from '../idempotency.ts';
import { messagesOf } from '../routes/conversations.ts';
import { linesOf } from '../schemas.ts';
import { closed, sendLines } from '../turn-streams.ts';
import { acceptTurn, followAccepted, messageText, recordedTurn, sessionName } from '../turns.ts';
import { createShownText } from './shown-text.ts';

const sessionBody = z.object({
  message: messageText,
  sessionId: sessionName,
  page: pageHint.optional(),
});
/** What its clients read: these four types and no other. */
const line = z.discriminatedUnion('type', [
  z.object({ type: z.literal('start'), conversationId: z.string() }),
  z.object({ type: z.literal('token'), token: z.string() }),
  z.object({ type: z.literal('done'), message: z.string(), conversationId: z.string() }),
  z.object({ type: z.literal('error'), error: z.string() }),
]);
type SessionBody = z.infer<typeof sessionBody>;

export function ndjsonRoutes(app: App, deps: AppDependencies): void {
  const { stores } = deps;
  const tags = ['NDJSON widget'];

  app.post(
    '/v1/chat/stream',
    {
      config: { scope: 'chat', errors: ['IDEMPOTENCY_KEY_REUSED', 'TOKEN_LIMIT_EXCEEDED'] },
      schema: {
        tags,
        summary: 'Ask in a session and read live',
        body: sessionBody,
        response: { 200: linesOf(line, '`start`, `token`s, then `done` or `error`.') },
      },
    },
    async (request, reply) => await streamToSession(deps, request, reply, request.body),
  );

  app.post(
    '/v1/chat',
    {
      config: { scope: 'chat' },
      schema: {
        tags,
        summary: 'Ask in a session and wait for the answer',
        body: sessionBody,
        response: { 200: z.object({ conversationId: z.string(), message: z.string() }) },
      },
    },
    async (request, reply) => {
      const { message, sessionId, page } = request.body;
      const turn = { message, conversation: { sessionId }, page };
      const accepted = await acceptTurn(deps, request, turn, idempotencyOf(request, 'session'));
      const { conversationId, reply: answer } = await recordedTurn(deps, request, accepted, closed(reply));
      return { conversationId, message: withoutMarks(answer ?? '') };
    },
  );

  const admin = { config: { scope: 'admin', role: 'viewer' } } as const;

  app.get(
    '/v1/admin/conversations',
    {
      ...admin,
      schema: {
        tags,
        summary: 'The newest conversations',
        querystring: z.object({ limit: z.coerce.number().int().min(1).max(500).default(100) }),
      },
    },
    async ({ projectId, query }) => {
      const { conversations } = await stores.conversations.list(projectId, query);
      return { conversations: conversations.map(view) };
    },
  );

  app.get(
    '/v1/admin/conversations/:conversationId',
    {
      ...admin,
      schema: {
        tags,
        summary: 'A conversation with its messages',
        params: z.object({ conversationId: z.string() }),
        querystring: z.object({ limit: z.coerce.number().int().min(1).max(500).default(100) }),
      },
    },
    async ({ projectId, params: { conversationId }, query }) => {
      const found = isUuid(conversationId)
        ? await stores.conversations.get(projectId, conversationId)
        : undefined;
      if (!found) throw new AppError('CONVERSATION_NOT_FOUND');
      const { turns } = await stores.conversations.turns(projectId, conversationId, query);
      return { conversation: view(found), messages: turns.flatMap(messagesOf) };
    },
  );
}

/** Answers a message of a session live: the whole reply of POST /v1/chat/stream and its alias. */
export async function streamToSession(
  deps: AppDependencies,
  request: FastifyRequest,
  reply: FastifyReply,
  { message, sessionId, page }: SessionBody,
) {
  const turn = { message, conversation: { sessionId }, page };
  const accepted = await acceptTurn(deps, request, turn, idempotencyOf(request, 'stream'));
  const frames = followAccepted(deps, request, accepted, closed(reply));
  return sendLines(reply, frames, ndjsonOf(accepted.conversationId));
}

/** Its clients call the id of a conversation `conversationId`; the others' clients `id`. */
const view = <T extends { id: string }>(conversation: T) => ({
  conversationId: conversation.id,
  ...conversation,
});

type Line = z.infer<typeof line>;
/** Renders a turn's frames as the lines of the widget, which knows only these four; a turn has one token at least. */
export function ndjsonOf(conversationId: string): (frame: Frame) => Line[] {
  const textOf = createShownText();
  let begun = false;
  return (frame) => {
    if (frame.type === 'start') return [{ type: 'start', conversationId }];
    if (frame.type === 'error') return [{ type: 'error', error: frame.message }];
    const token = textOf(frame);
    const done = frame.type === 'done';
    const lines: Line[] = token !== '' || (done && !begun) ? [{ type: 'token', token }] : [];
    begun ||= lines.length > 0;
    return done ? [...lines, { type: 'done', message: withoutMarks(frame.reply), conversationId }] : lines;
  };
}
