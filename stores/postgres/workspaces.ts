import { type Actor, type Member, mayChangeRole, type Workspace } from '../../domain/accounts.ts';
import type { Role } from '../../domain/auth.ts';
import { account } from '../../domain/deadlines.ts';
import { AppError } from '../../domain/errors.ts';
import type { Dispatch } from '../../domain/flows.ts';
import type { NewMail } from '../../domain/mails.ts';
import type { Encryption } from '../../encryption.ts';
import { insertAudit } from './audit.ts';
import type { Query, Sql } from './client.ts';
import { newId } from './ids.ts';
import { insertMail } from './mails.ts';

export type WorkspaceStore = ReturnType<typeof createWorkspaceStore>;

export interface Invitation {
  id: string;
  email: string;
  role: Role;
  createdAt: Date;
  expiresAt: Date;
}

export function createWorkspaceStore(sql: Sql, encryption: Encryption) {
  return {
    async listOf(userId: string): Promise<Workspace[]> {
      return await sql<Workspace[]>`
        select w.id, w.name, m.role, w.created_at from memberships m join workspaces w on w.id = m.workspace_id
        where m.user_id = ${userId} order by w.created_at`;
    },

    async create(name: string, ownerId: string, actor: Actor): Promise<Workspace> {
      return await sql.begin(async (tx) => {
        const [row] = await tx<Omit<Workspace, 'role'>[]>`
          insert into workspaces (id, name) values (${newId()}, ${name}) returning id, name, created_at`;
        const workspace = row!;
        await tx`
          insert into memberships (workspace_id, user_id, role) values (${workspace.id}, ${ownerId}, 'owner')`;
        await audit(tx, actor, workspace.id, 'workspace.created', 'workspace', workspace.id, { name });
        return { ...workspace, role: 'owner' };
      });
    },

    async rename(workspaceId: string, name: string, actor: Actor): Promise<void> {
      await sql.begin(async (tx) => {
        await tx`update workspaces set name = ${name} where id = ${workspaceId}`;
        await audit(tx, actor, workspaceId, 'workspace.renamed', 'workspace', workspaceId, { name });
      });
    },

    async exists(workspaceId: string): Promise<boolean> {
      const rows = await sql`select 1 from workspaces where id = ${workspaceId}`;
      return rows.length > 0;
    },

    async name(workspaceId: string): Promise<string> {
      const [row] = await sql<{ name: string }[]>`select name from workspaces where id = ${workspaceId}`;
      return row?.name ?? '';
    },

    async members(workspaceId: string): Promise<Member[]> {
      return await sql<Member[]>`
        select u.id as user_id, u.email, u.name, m.role, m.created_at
        from memberships m join users u on u.id = m.user_id
        where m.workspace_id = ${workspaceId} order by m.created_at`;
    },

    /**
     * Changes a member's role, or removes them (null). Throws MEMBER_NOT_FOUND, INSUFFICIENT_ROLE where the actor may
     * not, and LAST_OWNER where nobody would be left to own the workspace.
     */
    async changeMember(
      workspaceId: string,
      userId: string,
      to: Role | null,
      by: { role: Role; actor: Actor },
    ): Promise<void> {
      await sql.begin(async (tx) => {
        // Members are changed one by one, or two owners could remove each other at once.
        await tx`select 1 from workspaces where id = ${workspaceId} for update`;
        const [member] = await tx<{ role: Role; otherOwners: number }[]>`
          select role, (select count(*) from memberships
            where workspace_id = ${workspaceId} and role = 'owner' and user_id <> ${userId})::int as other_owners
          from memberships where workspace_id = ${workspaceId} and user_id = ${userId}`;
        if (!member) throw new AppError('MEMBER_NOT_FOUND');
        // Everybody may leave.
        const leaves = to === null && by.actor.id === userId;
        if (!leaves && !mayChangeRole(by.role, member.role, to)) throw new AppError('INSUFFICIENT_ROLE');
        if (member.role === 'owner' && to !== 'owner' && member.otherOwners === 0) {
          throw new AppError('LAST_OWNER');
        }
        if (to === null) {
          await tx`delete from memberships where workspace_id = ${workspaceId} and user_id = ${userId}`;
        } else {
          await tx`
            update memberships set role = ${to} where workspace_id = ${workspaceId} and user_id = ${userId}`;
        }
        const action = to === null ? 'member.removed' : 'member.role_changed';
        await audit(tx, by.actor, workspaceId, action, 'user', userId, { from: member.role, to });
      });
    },

    async invitations(workspaceId: string): Promise<Invitation[]> {
      return await sql<Invitation[]>`
        select id, email, role, created_at, expires_at from invitations
        where workspace_id = ${workspaceId} and accepted_at is null and revoked_at is null and expires_at > now()
        order by created_at desc`;
    },

    /** Invites an address; an open invitation of the same address ends. Throws ALREADY_A_MEMBER. */
    async invite(
      workspaceId: string,
      { email, role, tokenHash }: { email: string; role: Role; tokenHash: Buffer },
      mail: NewMail,
      actor: Actor,
    ): Promise<{ invitation: Invitation; dispatch: Dispatch }> {
      return await sql.begin(async (tx) => {
        const members = await tx`
          select 1 from memberships m join users u on u.id = m.user_id
          where m.workspace_id = ${workspaceId} and u.email = ${email}`;
        if (members.length > 0) throw new AppError('ALREADY_A_MEMBER');
        await tx`
          update invitations set revoked_at = now()
          where workspace_id = ${workspaceId} and email = ${email}
            and accepted_at is null and revoked_at is null`;
        const [row] = await tx<Invitation[]>`
          insert into invitations (id, workspace_id, email, role, token_hash, invited_by, expires_at)
          values (${newId()}, ${workspaceId}, ${email}, ${role}, ${tokenHash},
            ${actor.id}, now() + ${account.invitation} * interval '1 millisecond')
          returning id, email, role, created_at, expires_at`;
        const invitation = row!;
        await audit(tx, actor, workspaceId, 'invitation.created', 'invitation', invitation.id, { role });
        return { invitation, dispatch: await insertMail(tx, encryption, mail) };
      });
    },

    /** False where there is no such open invitation. */
    async revokeInvitation(workspaceId: string, invitationId: string, actor: Actor): Promise<boolean> {
      return await sql.begin(async (tx) => {
        const rows = await tx`
          update invitations set revoked_at = now()
          where workspace_id = ${workspaceId} and id = ${invitationId} and accepted_at is null and revoked_at is null
          returning 1`;
        if (rows.length === 0) return false;
        await audit(tx, actor, workspaceId, 'invitation.revoked', 'invitation', invitationId, {});
        return true;
      });
    },

    /**
     * Makes the user a member. Undefined unless the invitation is open and was sent to the user's own address, which
     * the user has proved to hold.
     */
    async acceptInvitation(tokenHash: Buffer, user: { id: string; email: string }, actor: Actor) {
      return await sql.begin(async (tx) => {
        const [invitation] = await tx<{ id: string; workspaceId: string; role: Role }[]>`
          update invitations set accepted_at = now()
          where token_hash = ${tokenHash} and email = ${user.email}
            and accepted_at is null and revoked_at is null and expires_at > now()
          returning id, workspace_id, role`;
        if (!invitation) return undefined;
        const { id, workspaceId, role } = invitation;
        await tx`
          insert into memberships (workspace_id, user_id, role) values (${workspaceId}, ${user.id}, ${role})
          on conflict do nothing`;
        await audit(tx, actor, workspaceId, 'invitation.accepted', 'invitation', id, { role });
        return { workspaceId, role };
      });
    },
  };
}

async function audit(
  tx: Query,
  actor: Actor,
  workspaceId: string,
  action: string,
  objectType: string,
  objectId: string,
  details: Record<string, unknown>,
): Promise<void> {
  await insertAudit(tx, actor, { workspaceId, projectId: null, action, objectType, objectId, details });
}
