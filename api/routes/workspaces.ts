import { z } from 'zod';
import { email, mayChangeRole } from '../../domain/accounts.ts';
import { roles } from '../../domain/auth.ts';
import { AppError } from '../../domain/errors.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { App, AppDependencies } from '../app.ts';
import { auditQuery, auditView } from '../audit.ts';
import { actorOf, userOf } from '../plugins/access.ts';

const name = z.string().trim().min(1).max(120);
const workspace = z.object({ id: z.uuid(), name: z.string(), role: z.enum(roles), createdAt: z.date() });
const member = z.object({
  userId: z.uuid(),
  email: z.string(),
  name: z.string(),
  role: z.enum(roles),
  createdAt: z.date(),
});
const invitation = z.object({
  id: z.uuid(),
  email: z.string(),
  role: z.enum(roles),
  createdAt: z.date(),
  expiresAt: z.date(),
});
const counts = z.record(z.string(), z.number());
const receipt = z.object({
  projectId: z.uuid(),
  requestedBy: z.uuid().nullable(),
  requestedAt: z.date(),
  removed: counts,
  remaining: counts.nullable(),
  finishedAt: z.date().nullable(),
});
const params = z.object({ workspaceId: z.string() });
const tags = ['Workspaces'];

export function workspaceRoutes(app: App, { stores, tokens, dispatcher }: AppDependencies): void {
  const { workspaces } = stores;

  app.get(
    '/workspaces',
    {
      config: { signedIn: true },
      schema: {
        tags,
        summary: 'My workspaces',
        response: { 200: z.object({ workspaces: z.array(workspace) }) },
      },
    },
    async (request) => ({ workspaces: await workspaces.listOf(userOf(request).id) }),
  );

  app.post(
    '/workspaces',
    {
      config: { signedIn: true },
      schema: {
        tags,
        summary: 'Create a workspace',
        body: z.object({ name }),
        response: { 201: z.object({ workspace }) },
      },
    },
    async (request, reply) => {
      const created = await workspaces.create(request.body.name, userOf(request).id, actorOf(request));
      return reply.status(201).send({ workspace: created });
    },
  );

  app.patch(
    '/workspaces/:workspaceId',
    {
      config: { workspaceRole: 'admin' },
      schema: { tags, summary: 'Rename a workspace', params, body: z.object({ name }) },
    },
    async (request, reply) => {
      await workspaces.rename(request.params.workspaceId, request.body.name, actorOf(request));
      return reply.status(204).send();
    },
  );

  app.get(
    '/workspaces/:workspaceId/members',
    {
      config: { workspaceRole: 'viewer' },
      schema: {
        tags,
        summary: 'Its members',
        params,
        response: { 200: z.object({ members: z.array(member) }) },
      },
    },
    async (request) => ({ members: await workspaces.members(request.params.workspaceId) }),
  );

  const memberParams = params.extend({ userId: z.string() });
  const changeMember = {
    config: { workspaceRole: 'viewer', errors: ['MEMBER_NOT_FOUND', 'LAST_OWNER'] },
    schema: {
      tags,
      summary: 'Change the role of a member',
      params: memberParams,
      body: z.object({ role: z.enum(roles) }),
    },
  } as const;
  app.patch('/workspaces/:workspaceId/members/:userId', changeMember, async (request, reply) => {
    const { workspaceId, userId } = request.params;
    if (!isUuid(userId)) throw new AppError('MEMBER_NOT_FOUND');
    const by = { role: request.role!, actor: actorOf(request) };
    await workspaces.changeMember(workspaceId, userId, request.body.role, by);
    return reply.status(204).send();
  });

  // A viewer may leave; removing others takes more, which the store knows.
  app.delete(
    '/workspaces/:workspaceId/members/:userId',
    {
      config: { workspaceRole: 'viewer', errors: ['MEMBER_NOT_FOUND', 'LAST_OWNER'] },
      schema: { tags, summary: 'Remove a member, or leave', params: memberParams },
    },
    async (request, reply) => {
      const { workspaceId, userId } = request.params;
      if (!isUuid(userId)) throw new AppError('MEMBER_NOT_FOUND');
      const by = { role: request.role!, actor: actorOf(request) };
      await workspaces.changeMember(workspaceId, userId, null, by);
      return reply.status(204).send();
    },
  );

  app.get(
    '/workspaces/:workspaceId/invitations',
    {
      config: { workspaceRole: 'admin' },
      schema: {
        tags,
        summary: 'Open invitations',
        params,
        response: { 200: z.object({ invitations: z.array(invitation) }) },
      },
    },
    async (request) => ({ invitations: await workspaces.invitations(request.params.workspaceId) }),
  );

  app.post(
    '/workspaces/:workspaceId/invitations',
    {
      config: { workspaceRole: 'admin', errors: ['ALREADY_A_MEMBER'] },
      schema: {
        tags,
        summary: 'Invite somebody by mail',
        params,
        body: z.object({ email, role: z.enum(['viewer', 'editor', 'admin']) }),
        response: { 201: z.object({ invitation }) },
      },
    },
    async (request, reply) => {
      const { workspaceId } = request.params;
      const { email, role } = request.body;
      if (!mayChangeRole(request.role!, null, role)) throw new AppError('INSUFFICIENT_ROLE');
      const token = tokens.newInvitationToken();
      const mail = {
        projectId: null,
        template: 'invitation',
        params: {
          code: token,
          workspace: await workspaces.name(workspaceId),
          inviter: userOf(request).name,
        },
        to: email,
        language: 'en',
      } as const;
      const tokenHash = tokens.invitationHash(token);
      const made = await workspaces.invite(workspaceId, { email, role, tokenHash }, mail, actorOf(request));
      dispatcher.startSoon(made.dispatch);
      return reply.status(201).send({ invitation: made.invitation });
    },
  );

  app.delete(
    '/workspaces/:workspaceId/invitations/:invitationId',
    {
      config: { workspaceRole: 'admin', errors: ['INVITATION_NOT_FOUND'] },
      schema: {
        tags,
        summary: 'Take an invitation back',
        params: params.extend({ invitationId: z.string() }),
      },
    },
    async (request, reply) => {
      const { workspaceId, invitationId } = request.params;
      const revoked =
        isUuid(invitationId) &&
        (await workspaces.revokeInvitation(workspaceId, invitationId, actorOf(request)));
      if (!revoked) throw new AppError('INVITATION_NOT_FOUND');
      return reply.status(204).send();
    },
  );

  app.post(
    '/invitations/accept',
    {
      config: { signedIn: true, errors: ['INVALID_INVITATION'] },
      schema: {
        tags,
        summary: 'Accept an invitation with its code',
        body: z.object({ token: z.string().min(1).max(200) }),
        response: { 200: z.object({ workspaceId: z.uuid(), role: z.enum(roles) }) },
      },
    },
    async (request) => {
      const tokenHash = tokens.invitationHash(request.body.token);
      const joined = await workspaces.acceptInvitation(tokenHash, userOf(request), actorOf(request));
      if (!joined) throw new AppError('INVALID_INVITATION');
      return joined;
    },
  );

  app.get(
    '/workspaces/:workspaceId/audit-log',
    {
      config: { workspaceRole: 'admin' },
      schema: {
        tags,
        summary: 'Who did what in the workspace and its projects, newest first',
        params,
        querystring: auditQuery,
        response: { 200: z.object({ entries: z.array(auditView) }) },
      },
    },
    async (request) => ({
      entries: await stores.audit.ofWorkspace(request.params.workspaceId, request.query),
    }),
  );

  app.get(
    '/workspaces/:workspaceId/project-deletions',
    {
      config: { workspaceRole: 'admin' },
      schema: {
        tags,
        summary: 'Receipts of deleted projects: what was removed, and that nothing is left',
        params,
        response: { 200: z.object({ deletions: z.array(receipt) }) },
      },
    },
    async (request) => ({ deletions: await stores.projectDeletions.list(request.params.workspaceId) }),
  );
}
