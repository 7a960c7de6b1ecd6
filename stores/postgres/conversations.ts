import type { Turn } from '../../domain/chat.ts';
import type { Query, Sql } from './client.ts';

export type ConversationStore = ReturnType<typeof createConversationStore>;

export interface Conversation {
  id: string;
  sessionId: string | null;
  createdAt: Date;
}

export interface ListedConversation extends Conversation {
  messageCount: number;
  lastMessageAt: Date | null;
}

export type ConversationTurn = Pick<
  Turn,
  'id' | 'status' | 'question' | 'reply' | 'sources' | 'feedback' | 'createdAt' | 'finishedAt'
> & { position: number };

/** A turn as other systems get it. */
export interface ExportedTurn {
  conversationId: string;
  sessionId: string | null;
  turnId: string;
  createdAt: Date;
  finishedAt: Date | null;
  status: Turn['status'];
  message: string;
  reply: string | null;
  sources: Turn['sources'];
  confidence: number | null;
  promptTokens: number;
  completionTokens: number;
  rating: 'up' | 'down' | null;
  feedback: string | null;
  errorCode: string | null;
  errorMessage: string | null;
}

/** Words that all occur, `"phrases"`, `or` and `-without`, as people type them into a search box. */
export const matches = (sql: Query, words: string) => sql`
  turns.finished_at is not null
  and turn_text(turns.question, turns.reply) @@ websearch_to_tsquery('simple', ${words})`;

export function createConversationStore(sql: Sql) {
  return {
    /**
     * What visitors asked, newest first. `before` is the last conversation of the page before; `words` keeps those in
     * which one message says them.
     */
    async list(
      projectId: string,
      page: { limit: number; before?: string | undefined; words?: string | undefined },
    ): Promise<{ conversations: ListedConversation[]; next: string | null }> {
      const conversations = await sql<ListedConversation[]>`
        select c.id, c.session_id, c.created_at,
          (select count(*) + count(reply) from turns t where t.conversation_id = c.id)::int as message_count,
          (select t.created_at from turns t where t.conversation_id = c.id order by position desc limit 1)
            as last_message_at
        from conversations c where c.project_id = ${projectId} and not c.test
        ${
          page.before === undefined
            ? sql``
            : sql`and (c.created_at, c.id) <
                (select created_at, id from conversations where project_id = ${projectId} and id = ${page.before})`
        }
        ${
          page.words === undefined
            ? sql``
            : sql`and c.id in (select conversation_id from turns
                where turns.project_id = ${projectId} and ${matches(sql, page.words)})`
        }
        order by c.created_at desc, c.id desc limit ${page.limit}`;
      return {
        conversations,
        next: (conversations.length === page.limit && conversations.at(-1)?.id) || null,
      };
    },

    async get(projectId: string, conversationId: string): Promise<Conversation | undefined> {
      const [row] = await sql<Conversation[]>`
        select id, session_id, created_at from conversations
        where project_id = ${projectId} and id = ${conversationId}`;
      return row;
    },

    /** What visitors asked, oldest first, after a turn. Times are ISO 8601. */
    async exportPage(
      projectId: string,
      page: {
        from?: string | undefined;
        to?: string | undefined;
        after?: string | undefined;
        limit: number;
      },
    ): Promise<ExportedTurn[]> {
      return await sql<ExportedTurn[]>`
        select t.conversation_id, c.session_id, t.id as turn_id, t.created_at, t.finished_at, t.status,
          t.question as message, t.reply, t.sources, t.confidence, t.prompt_tokens, t.completion_tokens, t.rating,
          t.feedback, t.error_code, t.error_message
        from turns t join conversations c on c.id = t.conversation_id and not c.test
        where t.project_id = ${projectId}
        ${page.after === undefined ? sql`` : sql`and t.id > ${page.after}`}
        ${page.from === undefined ? sql`` : sql`and t.created_at >= ${page.from}`}
        ${page.to === undefined ? sql`` : sql`and t.created_at < ${page.to}`}
        order by t.id limit ${page.limit}`;
    },

    /**
     * The newest `limit` turns, or those before a position, oldest first; only those that say `words` where given.
     * `next` is the position to ask for what came before; null at the beginning.
     */
    async turns(
      projectId: string,
      conversationId: string,
      page: { limit: number; before?: number | undefined; words?: string | undefined },
    ): Promise<{ turns: ConversationTurn[]; next: number | null }> {
      const rows = await sql<ConversationTurn[]>`
        select id, status, question, reply, sources, created_at, finished_at, position,
          case when rating is not null then jsonb_build_object('rating', rating, 'text', feedback) end as feedback
        from turns where project_id = ${projectId} and conversation_id = ${conversationId}
        ${page.before === undefined ? sql`` : sql`and position < ${page.before}`}
        ${page.words === undefined ? sql`` : sql`and ${matches(sql, page.words)}`}
        order by position desc limit ${page.limit}`;
      const next = rows.length === page.limit ? rows.at(-1)!.position : null;
      return { turns: rows.reverse(), next: next === 1 ? null : next };
    },
  };
}
