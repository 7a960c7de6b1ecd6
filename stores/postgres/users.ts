import type { Actor, User } from '../../domain/accounts.ts';
import { insertAudit } from './audit.ts';
import type { Query, Sql } from './client.ts';
import { newId } from './ids.ts';

export type UserStore = ReturnType<typeof createUserStore>;

export function createUserStore(sql: Sql) {
  const columns = sql`id, email, name, platform_admin, created_at`;

  return {
    async get(userId: string): Promise<User | undefined> {
      const [row] = await sql<User[]>`select ${columns} from users where id = ${userId}`;
      return row;
    },

    async findByEmail(email: string): Promise<User | undefined> {
      const [row] = await sql<User[]>`select ${columns} from users where email = ${email}`;
      return row;
    },

    /** For signing in. */
    async credentials(
      email: string,
    ): Promise<{ id: string; passwordHash: string; suspended: boolean } | undefined> {
      const [row] = await sql<{ id: string; passwordHash: string; suspended: boolean }[]>`
        select id, password_hash, suspended_at is not null as suspended from users where email = ${email}`;
      return row;
    },

    async passwordHash(userId: string): Promise<string | undefined> {
      const [row] = await sql<
        { passwordHash: string }[]
      >`select password_hash from users where id = ${userId}`;
      return row?.passwordHash;
    },

    /** Sets another password and ends every session but the given one. */
    async changePassword(
      userId: string,
      passwordHash: string,
      keepSession: string,
      actor: Actor,
    ): Promise<void> {
      await sql.begin(async (tx) => {
        await tx`update users set password_hash = ${passwordHash} where id = ${userId}`;
        await tx`
          update sessions set revoked_at = now(), revoked_reason = 'password changed'
          where user_id = ${userId} and revoked_at is null and id <> ${keepSession}`;
        await auditUser(tx, actor, userId, 'user.password_changed');
      });
    },

    /** Newest first; for platform admins. */
    async list(limit: number, before: string | undefined): Promise<(User & { suspendedAt: Date | null })[]> {
      return await sql<(User & { suspendedAt: Date | null })[]>`
        select ${columns}, suspended_at from users ${before ? sql`where id < ${before}` : sql``}
        order by id desc limit ${limit}`;
    },

    /** Suspends a user, which ends their sessions, or lets them in again. False where there is no such user. */
    async setSuspended(userId: string, suspended: boolean, actor: Actor): Promise<boolean> {
      return await sql.begin(async (tx) => {
        const rows = await tx`
          update users set suspended_at = ${suspended ? tx`coalesce(suspended_at, now())` : null}
          where id = ${userId} returning 1`;
        if (rows.length === 0) return false;
        if (suspended) {
          await tx`
            update sessions set revoked_at = now(), revoked_reason = 'user suspended'
            where user_id = ${userId} and revoked_at is null`;
        }
        await auditUser(tx, actor, userId, suspended ? 'user.suspended' : 'user.resumed');
        return true;
      });
    },

    /** False where nobody has that address. */
    async setPlatformAdmin(email: string, platformAdmin: boolean, actor: Actor): Promise<boolean> {
      return await sql.begin(async (tx) => {
        const [row] = await tx<{ id: string }[]>`
          update users set platform_admin = ${platformAdmin} where email = ${email} returning id`;
        if (!row) return false;
        await auditUser(
          tx,
          actor,
          row.id,
          platformAdmin ? 'user.platform_admin_given' : 'user.platform_admin_taken',
        );
        return true;
      });
    },
  };
}

/** Makes a user whose address is proved, with a workspace of their own. */
export async function insertUser(
  tx: Query,
  user: { email: string; name: string; passwordHash: string },
  ip: string | null,
): Promise<string> {
  const userId = newId();
  const workspaceId = newId();
  await tx`
    insert into users (id, email, name, password_hash)
    values (${userId}, ${user.email}, ${user.name}, ${user.passwordHash})`;
  await tx`insert into workspaces (id, name) values (${workspaceId}, ${`${user.name}'s workspace`})`;
  await tx`
    insert into memberships (workspace_id, user_id, role) values (${workspaceId}, ${userId}, 'owner')`;
  const actor: Actor = { type: 'user', id: userId, ip };
  await insertAudit(tx, actor, {
    workspaceId,
    projectId: null,
    action: 'user.registered',
    objectType: 'user',
    objectId: userId,
    details: {},
  });
  return userId;
}

async function auditUser(tx: Query, actor: Actor, userId: string, action: string): Promise<void> {
  await insertAudit(tx, actor, {
    workspaceId: null,
    projectId: null,
    action,
    objectType: 'user',
    objectId: userId,
    details: {},
  });
}
