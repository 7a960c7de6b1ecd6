import { createHash, randomBytes } from 'node:crypto';
import { visitorSession } from '../../domain/deadlines.ts';
import type { Sql } from './client.ts';

export type VisitorSessionStore = ReturnType<typeof createVisitorSessionStore>;

/** Its conversation is null until its first question was accepted, and once that conversation was removed. */
export interface VisitorSession {
  token: string;
  conversationId: string | null;
}

/** Only this hash is stored. The token has 256 random bits, so a fast hash without salt is enough. */
const hashOf = (token: string) => createHash('sha256').update(token).digest();

/** What a visitor's browser is known by, where a client carries a token of ours from page to page. */
export function createVisitorSessionStore(sql: Sql) {
  const expiry = sql`now() + ${visitorSession} * interval '1 millisecond'`;

  return {
    /** Begins a session. Those of the project that have expired go with the occasion. */
    async begin(projectId: string): Promise<VisitorSession> {
      const token = randomBytes(32).toString('base64url');
      await sql`
        with expired as (
          delete from visitor_sessions where token_hash in (
            select token_hash from visitor_sessions
            where project_id = ${projectId} and expires_at < now() limit 100 for update skip locked))
        insert into visitor_sessions (token_hash, project_id, expires_at)
        values (${hashOf(token)}, ${projectId}, ${expiry})`;
      return { token, conversationId: null };
    },

    /** The session of this token, which lives on from now. Undefined for a token that is unknown or has expired. */
    async resume(projectId: string, token: string): Promise<VisitorSession | undefined> {
      const [row] = await sql<{ conversationId: string | null }[]>`
        update visitor_sessions set expires_at = ${expiry}
        where project_id = ${projectId} and token_hash = ${hashOf(token)} and expires_at > now()
        returning conversation_id`;
      return row && { token, ...row };
    },

    /** The conversation that the session's next question belongs to. */
    async setConversation(projectId: string, token: string, conversationId: string): Promise<void> {
      await sql`
        update visitor_sessions set conversation_id = ${conversationId}
        where project_id = ${projectId} and token_hash = ${hashOf(token)}
          and conversation_id is distinct from ${conversationId}`;
    },

    /** What a limit counts a session under. */
    idOf: (token: string): string => hashOf(token).toString('base64url'),
  };
}
