import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { ConversationTurn } from '../../stores/postgres/conversations.ts';
import type { App, AppDependencies } from '../app.ts';

const query = z.object({ limit: z.coerce.number().int().min(1).max(500).default(100) });
const params = z.object({ conversationId: z.string() });

export function conversationRoutes(app: App, { stores }: Pick<AppDependencies, 'stores'>): void {
  const config = { scope: 'conversations' } as const;

  app.get('/conversations', { config, schema: { querystring: query } }, async (request) => ({
    conversations: await stores.conversations.list(request.projectId, request.query.limit),
  }));

  app.get(
    '/conversations/:conversationId/messages',
    { config, schema: { params, querystring: query } },
    async (request) => {
      const { conversationId } = request.params;
      const conversation = isUuid(conversationId)
        ? await stores.conversations.get(request.projectId, conversationId)
        : undefined;
      if (!conversation) throw new AppError('CONVERSATION_NOT_FOUND');
      const turns = await stores.conversations.turns(request.projectId, conversationId, request.query.limit);
      return { conversation, messages: turns.flatMap(messagesOf) };
    },
  );
}

/** A turn on the wire is a message of the visitor and, once it is recorded, one of the assistant. */
function messagesOf(turn: ConversationTurn) {
  const { id: turnId, status } = turn;
  const asked = { turnId, role: 'user', content: turn.question, createdAt: turn.createdAt };
  if (turn.reply === null) return [{ ...asked, status }];
  const { reply: content, sources, finishedAt: createdAt } = turn;
  return [asked, { turnId, role: 'assistant', content, status, sources, createdAt }];
}
