// What pages with the SmartChat widget call: the key in the path, errors as {detail}. Its socket is in
// smartchat-socket.ts, its administration in smartchat-admin.ts.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { signVisitor, verifyVisitor } from '../../auth/visitor-tokens.ts';
import { isSiteAllowed, isSiteListed, type Scope } from '../../domain/auth.ts';
import { withoutMarks } from '../../domain/citation-marks.ts';
import { AppError } from '../../domain/errors.ts';
import { networkOf, type RateLimit } from '../../domain/limits.ts';
import { loginRefusals } from '../../domain/login-refusals.ts';
import { authModes, type Visitor } from '../../domain/visitor-logins.ts';
import type { ConversationTurn } from '../../stores/postgres/conversations.ts';
import type { OpenConversation } from '../../stores/postgres/widget-conversations.ts';
import type { App, AppDependencies } from '../app.ts';
import { admitKey } from '../plugins/access.ts';
import { hashOf } from '../plugins/rate-limits.ts';
import { sessionName } from '../turns.ts';
import { signInVisitor } from '../visitor-login.ts';
import { errorHandler, errors } from './smartchat-shared.ts';
import { smartChatSocket } from './smartchat-socket.ts';

/** Guessing a visitor's password here is no faster than it should be at the site itself. */
const logins: RateLimit = { name: 'visitor-login', points: 10, windowMs: 60_000 };
const historyTurns = 200;

const tags = ['SmartChat: widget'];
const config = { public: true } as const;
const params = z.object({ key: z.string().max(200) });
const personal = z.string().max(500).optional();

const signedIn = z.object({
  success: z.boolean(),
  token: z.string().nullable(),
  user_id: z.string().nullable(),
  user_name: z.string().nullable(),
  user_email: z.string().nullable(),
  error: z.string().nullable(),
});
const refusal = (error: string) => ({ ...viewOf(null, null), success: false, error });
const viewOf = (visitor: Visitor | null, token: string | null) => ({
  success: true,
  token,
  user_id: visitor?.userId ?? null,
  user_name: visitor?.name ?? null,
  user_email: visitor?.email ?? null,
  error: null as string | null,
});

const message = z.object({
  id: z.string(),
  role: z.enum(['user', 'assistant']),
  content: z.string(),
  created_at: z.string(),
});

export async function smartChatRoutes(app: App, deps: AppDependencies, stopping: AbortSignal): Promise<void> {
  await app.register(async (scope: App) => {
    scope.setErrorHandler(errorHandler(deps));
    routes(scope, deps);
    smartChatSocket(scope, deps, stopping);
  });
}

function routes(app: App, deps: AppDependencies): void {
  const { stores } = deps;
  const admit = (request: FastifyRequest & { params: { key: string } }, scope: Scope) =>
    admitKey(request, deps, request.params.key, scope);

  app.get(
    '/api/widget/config/:key',
    {
      config,
      schema: {
        tags,
        summary: 'What the widget shows',
        params,
        response: {
          200: z.object({
            primary_color: z.string(),
            greeting: z.string(),
            position: z.string(),
            logo_url: z.string().nullable(),
          }),
          ...errors,
        },
      },
    },
    async (request) => {
      await admit(request, 'chat');
      const project = await stores.projects.get(request.projectId);
      if (!project) throw new AppError('INVALID_API_KEY');
      const { primaryColor, welcomeMessage, position, avatarUrl } = project.settings;
      return {
        primary_color: primaryColor,
        greeting: welcomeMessage,
        position,
        logo_url: avatarUrl || null,
      };
    },
  );

  app.get(
    '/api/auth/config/:key',
    {
      config,
      schema: {
        tags,
        summary: 'Whether visitors sign in',
        params,
        response: {
          200: z.object({ auth_mode: z.enum(authModes), requires_login: z.boolean() }),
          ...errors,
        },
      },
    },
    async (request) => {
      await admit(request, 'chat');
      const { auth_mode } = (await stores.visitorLogins.get(request.projectId)).settings;
      return { auth_mode, requires_login: auth_mode === 'external_api' };
    },
  );

  app.post(
    '/api/auth/login/:key',
    {
      config,
      schema: {
        tags,
        summary: "Sign a visitor in at the site's own login",
        params,
        body: z.object({ email: z.string().min(1).max(254), password: z.string().min(1).max(500) }),
        response: { 200: signedIn, ...errors },
      },
    },
    async (request) => {
      await admit(request, 'chat');
      const { projectId, ip } = request;
      const counted = hashOf(projectId, request.body.email.toLowerCase(), networkOf(ip));
      if (!(await stores.limits.take(logins, counted)).allowed) {
        return refusal(loginRefusals.tooMany);
      }
      const result = await signInVisitor(deps, projectId, request.body);
      if ('token' in result) return viewOf(result.visitor, result.token);
      if (result.reason) request.log.warn({ projectId, reason: result.reason }, "a site's login failed");
      return refusal(result.refused);
    },
  );

  app.post(
    '/api/auth/verify/:key',
    {
      config,
      schema: {
        tags,
        summary: 'Whether a token is still good, and whose it is',
        params,
        body: z.object({ token: z.string().min(1).max(8_000) }),
        response: { 200: signedIn, ...errors },
      },
    },
    async (request) => {
      await admit(request, 'chat');
      const { token } = request.body;
      const visitor = await verifyVisitor(token, await stores.visitorLogins.secret(request.projectId));
      return visitor ? viewOf(visitor, token) : refusal('This login is not valid any more. Sign in again.');
    },
  );

  app.post(
    '/api/auth/create-embedded-token/:key',
    {
      config,
      schema: {
        tags,
        summary: 'A token that says who the visitor is; for servers, which know it',
        params,
        querystring: z.object({
          user_id: z.string().min(1).max(500),
          user_email: personal,
          user_name: personal,
        }),
        response: { 200: z.object({ token: z.string() }), ...errors },
      },
    },
    async (request) => {
      // No key in a page has this scope: a page could say that anybody is anybody.
      await admit(request, 'conversations');
      const { user_id: userId, user_email: email, user_name: name } = request.query;
      const visitor = { userId, name: name ?? null, email: email ?? null };
      return { token: await signVisitor(visitor, await stores.visitorLogins.secret(request.projectId)) };
    },
  );

  app.get(
    '/api/chat/history/:session_id',
    {
      config,
      schema: {
        tags,
        summary: "A session's messages, oldest first",
        description:
          'There is no key: whoever knows the id reads them. Where two projects have the same id, the Origin decides.',
        params: z.object({ session_id: sessionName }),
        response: { 200: z.object({ messages: z.array(message) }), ...errors },
      },
    },
    async (request) => {
      const found = await stores.widgetConversations.withSession(request.params.session_id);
      const { defaultAllowedDomains } = deps.settings;
      const open = theOne(found, request.headers.origin, defaultAllowedDomains);
      if (!open) return { messages: [] };
      const page = { limit: historyTurns };
      const { turns } = await stores.conversations.turns(open.projectId, open.conversationId, page);
      return { messages: turns.flatMap(messagesOf) };
    },
  );
}

/** Which conversation a page may read. The key is not known, so localhost counts as it does for a test key. */
export function theOne(
  found: readonly OpenConversation[],
  origin: string | undefined,
  fallback: readonly string[],
): OpenConversation | undefined {
  const key = { environment: 'test' } as const;
  const allowed = found.filter((one) => origin === undefined || isSiteAllowed(origin, key, one, fallback));
  if (allowed.length < 2) return allowed[0];
  const listed = allowed.filter((one) => origin !== undefined && isSiteListed(origin, key, one, fallback));
  return listed.length === 1 ? listed[0] : undefined;
}

/** A turn on the wire: what was asked, and what was answered once it is. */
export function messagesOf(turn: ConversationTurn): z.infer<typeof message>[] {
  const asked = {
    id: `${turn.id}-user`,
    role: 'user' as const,
    content: turn.question,
    created_at: turn.createdAt.toISOString(),
  };
  if (turn.reply === null) return [asked];
  const at = turn.finishedAt ?? turn.createdAt;
  const answered = {
    id: turn.id,
    role: 'assistant' as const,
    content: withoutMarks(turn.reply),
    created_at: at.toISOString(),
  };
  return [asked, answered];
}
