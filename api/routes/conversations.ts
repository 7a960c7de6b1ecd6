import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { ConversationTurn } from '../../stores/postgres/conversations.ts';
import type { App, AppDependencies } from '../app.ts';
import { source, turnStatus } from '../schemas.ts';

const query = z.object({ limit: z.coerce.number().int().min(1).max(500).default(100) });
const params = z.object({ conversationId: z.string() });

const tags = ['Conversations'];
const conversation = z.object({ id: z.string(), sessionId: z.string().nullable(), createdAt: z.date() });
const message = z.object({
  turnId: z.string(),
  role: z.enum(['user', 'assistant']),
  content: z.string(),
  status: turnStatus.optional(),
  sources: z.array(source).optional(),
  createdAt: z.date().nullable(),
});
const listSchema = {
  summary: 'Conversations, newest first',
  tags,
  querystring: query,
  response: {
    200: z.object({ conversations: z.array(conversation.extend({ messageCount: z.int() })) }),
  },
};
const messagesSchema = {
  summary: 'What was said in a conversation',
  tags,
  params,
  querystring: query,
  response: { 200: z.object({ conversation, messages: z.array(message) }) },
};

export function conversationRoutes(app: App, { stores }: Pick<AppDependencies, 'stores'>): void {
  const config = { scope: 'conversations', role: 'viewer' } as const;

  app.get('/conversations', { config, schema: listSchema }, async (request) => ({
    conversations: await stores.conversations.list(request.projectId, request.query.limit),
  }));

  app.get(
    '/conversations/:conversationId/messages',
    { config: { ...config, errors: ['CONVERSATION_NOT_FOUND'] }, schema: messagesSchema },
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
function messagesOf(turn: ConversationTurn): z.infer<typeof message>[] {
  const { id: turnId, status } = turn;
  const asked = { turnId, role: 'user', content: turn.question, createdAt: turn.createdAt } as const;
  if (turn.reply === null) return [{ ...asked, status }];
  const { reply: content, sources, finishedAt: createdAt } = turn;
  return [asked, { turnId, role: 'assistant', content, status, sources, createdAt }];
}
