import type { SiteRules } from '../../domain/auth.ts';
import type { Visitor } from '../../domain/visitor-logins.ts';
import type { Sql } from './client.ts';

export type WidgetConversationStore = ReturnType<typeof createWidgetConversationStore>;

export interface OpenConversation extends SiteRules {
  projectId: string;
  conversationId: string;
}

/** Conversations of a client that reads their history with nothing but the session's id. */
export function createWidgetConversationStore(sql: Sql) {
  return {
    /** Notes that the conversation is such a one, and who the visitor is where a signed token says so. */
    async note(projectId: string, conversationId: string, visitor: Visitor | undefined): Promise<void> {
      await sql`
        insert into widget_conversations as w (conversation_id, project_id, user_id, user_name, user_email)
        values (${conversationId}, ${projectId}, ${visitor?.userId ?? null}, ${visitor?.name ?? null},
          ${visitor?.email ?? null})
        on conflict (conversation_id) do update set user_id = excluded.user_id, user_name = excluded.user_name,
          user_email = excluded.user_email
        where excluded.user_id is not null and w.user_id is distinct from excluded.user_id`;
    },

    /**
     * The conversations of all active projects that have this session's id: the id is all that the client sends, and
     * two sites may have chosen the same.
     */
    async withSession(sessionId: string): Promise<OpenConversation[]> {
      return await sql<OpenConversation[]>`
        select c.project_id, c.id as conversation_id,
          coalesce((select array_agg(d) from jsonb_array_elements_text(p.settings->'allowedDomains') d), '{}') as allowed_domains,
          coalesce((p.settings->'allowLocalhost')::boolean, false) as allow_localhost
        from conversations c join widget_conversations w on w.conversation_id = c.id
        join projects p on p.id = c.project_id and p.active and p.deleted_at is null
        where c.session_id = ${sessionId} limit 50`;
    },

    /** The visitors of conversations, by the conversations' ids; without those whom nobody named. */
    async visitors(projectId: string, conversationIds: readonly string[]): Promise<Map<string, Visitor>> {
      const rows = await sql<(Visitor & { conversationId: string })[]>`
        select conversation_id, user_id, user_name as name, user_email as email from widget_conversations
        where project_id = ${projectId} and user_id is not null
          and conversation_id = any(${sql.array([...conversationIds])}::uuid[])`;
      return new Map(rows.map(({ conversationId, ...visitor }) => [conversationId, visitor]));
    },
  };
}
