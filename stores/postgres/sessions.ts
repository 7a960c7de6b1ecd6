import type { User } from '../../domain/accounts.ts';
import type { Role } from '../../domain/auth.ts';
import { account } from '../../domain/deadlines.ts';
import type { Sql } from './client.ts';
import { newId } from './ids.ts';

export type SessionStore = ReturnType<typeof createSessionStore>;

/** What a request with an access token may touch. */
export interface Signed {
  user: User;
  /** In the workspace that was asked about, or that of the project; null: not a member. */
  role: Role | null;
}

export function createSessionStore(sql: Sql) {
  const expiry = sql`now() + ${account.refreshToken} * interval '1 millisecond'`;

  return {
    /** Begins a session with its first refresh token, and returns its id. */
    async begin(userId: string, refreshHash: Buffer): Promise<string> {
      const sessionId = newId();
      await sql.begin(async (tx) => {
        await tx`insert into sessions (id, user_id, expires_at) values (${sessionId}, ${userId}, ${expiry})`;
        await tx`insert into refresh_tokens (hash, session_id) values (${refreshHash}, ${sessionId})`;
      });
      return sessionId;
    },

    /**
     * Exchanges a refresh token for the next. A token that was used before means that two have it: then the whole
     * session ends. Undefined where the token does not work.
     */
    async rotate(hash: Buffer, nextHash: Buffer): Promise<{ sessionId: string; userId: string } | undefined> {
      return await sql.begin(async (tx) => {
        const [token] = await tx<{ sessionId: string; used: boolean; userId: string; good: boolean }[]>`
          select t.session_id, t.used_at is not null as used, s.user_id,
            s.revoked_at is null and s.expires_at > now() and u.suspended_at is null as good
          from refresh_tokens t join sessions s on s.id = t.session_id join users u on u.id = s.user_id
          where t.hash = ${hash} for update of t, s`;
        if (!token?.good) return undefined;
        const { sessionId, userId } = token;
        if (token.used) {
          await tx`
            update sessions set revoked_at = now(), revoked_reason = 'a refresh token was used twice'
            where id = ${sessionId}`;
          return undefined;
        }
        await tx`update refresh_tokens set used_at = now() where hash = ${hash}`;
        await tx`insert into refresh_tokens (hash, session_id) values (${nextHash}, ${sessionId})`;
        await tx`update sessions set expires_at = ${expiry} where id = ${sessionId}`;
        return { sessionId, userId };
      });
    },

    async end(sessionId: string): Promise<void> {
      await sql`
        update sessions set revoked_at = now(), revoked_reason = 'signed out'
        where id = ${sessionId} and revoked_at is null`;
    },

    /** Ends the session of a refresh token, for those who sign out without a good access token. */
    async endByToken(hash: Buffer): Promise<void> {
      await sql`
        update sessions set revoked_at = now(), revoked_reason = 'signed out'
        where revoked_at is null and id = (select session_id from refresh_tokens where hash = ${hash})`;
    },

    /** The session's user, with their role where a workspace or a project is asked about; undefined once it has ended. */
    async find(
      sessionId: string,
      userId: string,
      about: { workspaceId?: string; projectId?: string },
    ): Promise<Signed | undefined> {
      const workspace = about.projectId
        ? sql`(select workspace_id from projects where id = ${about.projectId} and deleted_at is null)`
        : sql`${about.workspaceId ?? null}::uuid`;
      const [row] = await sql<(User & { role: Role | null })[]>`
        select u.id, u.email, u.name, u.platform_admin, u.created_at, m.role
        from sessions s join users u on u.id = s.user_id and u.suspended_at is null
        left join memberships m on m.user_id = u.id and m.workspace_id = ${workspace}
        where s.id = ${sessionId} and s.user_id = ${userId} and s.revoked_at is null and s.expires_at > now()`;
      if (!row) return undefined;
      const { role, ...user } = row;
      return { user, role };
    },

    async removeExpired(): Promise<void> {
      await sql`delete from sessions where least(expires_at, revoked_at) < now() - interval '30 days'`;
    },
  };
}
