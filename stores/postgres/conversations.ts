import type { Turn } from '../../domain/chat.ts';
import type { Sql } from './client.ts';

export type ConversationStore = ReturnType<typeof createConversationStore>;

export interface Conversation {
  id: string;
  sessionId: string | null;
  createdAt: Date;
}

export type ConversationTurn = Pick<
  Turn,
  'id' | 'status' | 'question' | 'reply' | 'sources' | 'createdAt' | 'finishedAt'
>;

export function createConversationStore(sql: Sql) {
  return {
    /** Newest first. */
    async list(projectId: string, limit: number): Promise<(Conversation & { messageCount: number })[]> {
      return await sql<(Conversation & { messageCount: number })[]>`
        select c.id, c.session_id, c.created_at,
          (select count(*) + count(reply) from turns t where t.conversation_id = c.id)::int as message_count
        from conversations c where c.project_id = ${projectId}
        order by c.created_at desc, c.id desc limit ${limit}`;
    },

    async get(projectId: string, conversationId: string): Promise<Conversation | undefined> {
      const [row] = await sql<Conversation[]>`
        select id, session_id, created_at from conversations
        where project_id = ${projectId} and id = ${conversationId}`;
      return row;
    },

    /** The newest `limit` turns, oldest first. */
    async turns(projectId: string, conversationId: string, limit: number): Promise<ConversationTurn[]> {
      const rows = await sql<ConversationTurn[]>`
        select id, status, question, reply, sources, created_at, finished_at from turns
        where project_id = ${projectId} and conversation_id = ${conversationId}
        order by position desc limit ${limit}`;
      return rows.reverse();
    },
  };
}
