import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { ConversationTurn } from '../../stores/postgres/conversations.ts';
import type { App, AppDependencies } from '../app.ts';
import { position, source, turnStatus } from '../schemas.ts';

/** Words to look for in questions and answers. */
const q = z.string().trim().min(1).max(200).optional();
const limit = z.coerce.number().int().min(1).max(500).default(100);
const params = z.object({ conversationId: z.string() });

const tags = ['Conversations'];
const feedback = z.object({ rating: z.enum(['up', 'down']), text: z.string().nullable() }).nullable();
const conversation = z.object({ id: z.string(), sessionId: z.string().nullable(), createdAt: z.date() });
const visitor = z
  .object({
    userId: z.string().nullable(),
    name: z.string().nullable(),
    email: z.string().nullable(),
    meta: z.record(z.string(), z.unknown()).nullable(),
    verified: z.boolean(),
  })
  .describe('Who asked: `verified` by a signed token, else only as the page said.');
const message = z.object({
  turnId: z.string(),
  role: z.enum(['user', 'assistant']),
  content: z.string(),
  status: turnStatus.optional(),
  sources: z.array(source).optional(),
  feedback: feedback.optional(),
  createdAt: z.date().nullable(),
});
/** What visitors asked and what they were answered. */
export function conversationRoutes(app: App, { stores }: Pick<AppDependencies, 'stores'>): void {
  const config = { scope: 'conversations', role: 'viewer' } as const;

  app.get(
    '/conversations',
    {
      config,
      schema: {
        tags,
        summary: 'Conversations, newest first; `next` is the `before` of the next page',
        querystring: z.object({ limit, before: z.uuid().optional(), q }),
        response: {
          200: z.object({
            conversations: z.array(
              conversation.extend({ messageCount: z.int(), lastMessageAt: z.date().nullable() }),
            ),
            next: z.string().nullable(),
          }),
        },
      },
    },
    async ({ projectId, query }) =>
      await stores.conversations.list(projectId, {
        limit: query.limit,
        before: query.before,
        words: query.q,
      }),
  );

  app.get(
    '/conversations/:conversationId/messages',
    {
      config: { ...config, errors: ['CONVERSATION_NOT_FOUND'] },
      schema: {
        tags,
        summary:
          'The newest messages of a conversation, oldest first; `next` is the `before` of those before them',
        params,
        querystring: z.object({ limit, before: position.optional(), q }),
        response: {
          200: z.object({
            conversation: conversation.extend({ visitor: visitor.nullable() }),
            messages: z.array(message),
            next: z.number().nullable(),
          }),
        },
      },
    },
    async ({ projectId, params: { conversationId }, query }) => {
      const conversation = isUuid(conversationId)
        ? await stores.conversations.get(projectId, conversationId)
        : undefined;
      if (!conversation) throw new AppError('CONVERSATION_NOT_FOUND');
      const visitor = await stores.widgetConversations.visitor(projectId, conversationId);
      const { turns, next } = await stores.conversations.turns(projectId, conversationId, {
        limit: query.limit,
        before: query.before,
        words: query.q,
      });
      return {
        conversation: { ...conversation, visitor: visitor ?? null },
        messages: turns.flatMap(messagesOf),
        next,
      };
    },
  );
}

/** A turn on the wire is a message of the visitor and, once it is recorded, one of the assistant. */
export function messagesOf(turn: ConversationTurn): z.infer<typeof message>[] {
  const { id: turnId, status } = turn;
  const asked = { turnId, role: 'user', content: turn.question, createdAt: turn.createdAt } as const;
  if (turn.reply === null) return [{ ...asked, status }];
  const { reply: content, sources, feedback, finishedAt: createdAt } = turn;
  return [asked, { turnId, role: 'assistant', content, status, sources, feedback, createdAt }];
}
