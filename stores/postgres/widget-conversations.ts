import type { SiteRules } from '../../domain/auth.ts';
import type { Visitor, VisitorClaims } from '../../domain/visitor-logins.ts';
import type { Sql } from './client.ts';
import { uuids } from './ids.ts';

export type WidgetConversationStore = ReturnType<typeof createWidgetConversationStore>;

export interface OpenConversation extends SiteRules {
  projectId: string;
  conversationId: string;
}

/** `meta` is always the page's word, and so is the rest unless it is `verified`. */
export interface KnownVisitor {
  userId: string | null;
  name: string | null;
  email: string | null;
  meta: Record<string, unknown> | null;
  verified: boolean;
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
     * Notes who a signed token says that the visitor of a native conversation is. One with a session's id is left as it
     * is: noting it would open its history to whoever knows that id.
     */
    async noteVisitor(projectId: string, conversationId: string, visitor: Visitor): Promise<void> {
      const { userId, name, email } = visitor;
      await sql`
        insert into widget_conversations as w (conversation_id, project_id, user_id, user_name, user_email)
        select id, project_id, ${userId}, ${name}, ${email} from conversations
        where project_id = ${projectId} and id = ${conversationId} and session_id is null
        on conflict (conversation_id) do update set user_id = excluded.user_id, user_name = excluded.user_name,
          user_email = excluded.user_email
        where w.user_id is distinct from excluded.user_id`;
    },

    /** Who the visitor of a conversation is: as a signed token says, else as the page said last. */
    async visitor(projectId: string, conversationId: string): Promise<KnownVisitor | undefined> {
      const [row] = await sql<{ signed: Visitor | null; claims: VisitorClaims | null }[]>`
        select
          (select jsonb_build_object('userId', user_id, 'name', user_name, 'email', user_email)
            from widget_conversations
            where project_id = ${projectId} and conversation_id = ${conversationId} and user_id is not null) as signed,
          (select page->'visitor' from turns
            where project_id = ${projectId} and conversation_id = ${conversationId} and page ? 'visitor'
            order by position desc limit 1) as claims`;
      const { signed, claims } = row!;
      if (!signed && !claims) return undefined;
      const { userId = null, name = null, email = null } = signed ?? claims ?? {};
      return { userId, name, email, meta: claims?.meta ?? null, verified: signed !== null };
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
          and conversation_id = any(${uuids(sql, conversationIds)})`;
      return new Map(rows.map(({ conversationId, ...visitor }) => [conversationId, visitor]));
    },
  };
}
