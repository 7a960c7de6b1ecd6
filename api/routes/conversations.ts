import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { ConversationTurn } from '../../stores/postgres/conversations.ts';
import type { App, AppDependencies } from '../app.ts';

/** Words to look for in questions and answers. */
const q = z.string().trim().min(1).max(200).optional();
const limit = z.coerce.number().int().min(1).max(500).default(100);
const params = z.object({ conversationId: z.string() });

/** What visitors asked and what they were answered. */
export function conversationRoutes(app: App, { stores }: Pick<AppDependencies, 'stores'>): void {
  const config = { scope: 'conversations', role: 'viewer' } as const;
  const tags = ['conversations'];

  app.get(
    '/conversations',
    {
      config,
      schema: {
        tags,
        summary: 'Conversations, newest first; `next` is the `before` of the next page',
        querystring: z.object({ limit, before: z.uuid().optional(), q }),
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
      config,
      schema: {
        tags,
        summary:
          'The newest messages of a conversation, oldest first; `next` is the `before` of those before them',
        params,
        querystring: z.object({ limit, before: z.coerce.number().int().positive().optional(), q }),
      },
    },
    async ({ projectId, params: { conversationId }, query }) => {
      const conversation = isUuid(conversationId)
        ? await stores.conversations.get(projectId, conversationId)
        : undefined;
      if (!conversation) throw new AppError('CONVERSATION_NOT_FOUND');
      const { turns, next } = await stores.conversations.turns(projectId, conversationId, {
        limit: query.limit,
        before: query.before,
        words: query.q,
      });
      return { conversation, messages: turns.flatMap(messagesOf), next };
    },
  );
}

/** A turn on the wire is a message of the visitor and, once it is recorded, one of the assistant. */
export function messagesOf(turn: ConversationTurn) {
  const { id: turnId, status } = turn;
  const asked = { turnId, role: 'user', content: turn.question, createdAt: turn.createdAt };
  if (turn.reply === null) return [{ ...asked, status }];
  const { reply: content, sources, feedback, finishedAt: createdAt } = turn;
  return [asked, { turnId, role: 'assistant', content, status, sources, feedback, createdAt }];
}
