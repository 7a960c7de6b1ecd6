import type { FastifyRequest, RouteOptions } from 'fastify';
import type { Tokens } from '../../auth/tokens.ts';
import { type Actor, hasRole, type User } from '../../domain/accounts.ts';
import {
  type ApiKey,
  effectiveScopes,
  isSiteAllowed,
  isSiteListed,
  type Role,
  type Scope,
} from '../../domain/auth.ts';
import { AppError } from '../../domain/errors.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { Stores } from '../../stores/postgres/index.ts';
import type { Dispatcher } from '../../temporal/dispatcher.ts';
import type { App } from '../app.ts';

declare module 'fastify' {
  /** Every route states who may call it: `public`, or one of the others. `scope` and `role` together admit both. */
  interface FastifyContextConfig {
    /** Anybody, without a credential. */
    public?: boolean;
    /** The scope that a project key needs. */
    scope?: Scope;
    /** The least role that a member of the project's workspace needs; the project is `projectId` of the path or query. */
    role?: Role;
    /** The least role in the workspace that is `workspaceId` of the path. */
    workspaceRole?: Role;
    /** Any user who is signed in. */
    signedIn?: boolean;
    platformAdmin?: boolean;
    /** The query parameter that names the project of a `role`, where it is not `projectId`. */
    projectParameter?: 'tenant_id';
  }
  interface FastifyRequest {
    /** Of the key, or of the path or query; routes with a scope or a role always have one. */
    projectId: string;
    /** The key that the request was made with. */
    apiKey: ApiKey | undefined;
    /** The user who is signed in, and their session. */
    user: User | undefined;
    sessionId: string;
    /** The user's role in the workspace that the request is about. */
    role: Role | undefined;
  }
}

export interface AccessDependencies {
  stores: Pick<Stores, 'keys' | 'sessions'>;
  tokens: Tokens;
  dispatcher: Pick<Dispatcher, 'startSoon'>;
  settings: {
    /** Sites that may use the keys of projects without an allowlist of their own; empty: all. */
    defaultAllowedDomains: readonly string[];
    /** Origins of dashboards; empty: all. */
    dashboardOrigins: readonly string[];
  };
}

/** Admits a request to its route, or refuses it, before anything of it is read. */
export function accessControl(app: App, deps: AccessDependencies): void {
  app.decorateRequest('projectId', '');
  app.decorateRequest('apiKey', undefined);
  app.decorateRequest('user', undefined);
  app.decorateRequest('sessionId', '');
  app.decorateRequest('role', undefined);
  app.addHook('onRoute', statesItsAccess);
  app.addHook('onRequest', async (request) => {
    const { scope, role, workspaceRole, signedIn, platformAdmin } = request.routeOptions.config;
    const asUser = role ?? workspaceRole ?? signedIn ?? platformAdmin;
    if (asUser && (!scope || bearerOf(request) !== undefined)) await admitUser(request, deps);
    else if (scope) {
      await admitKey(request, deps, keyOf(request), scope);
      // A key speaks for its own project, whatever the path says.
      const { projectId = request.projectId } = request.params as { projectId?: string };
      if (projectId.toLowerCase() !== request.projectId) throw new AppError('PROJECT_NOT_FOUND');
    }
  });
}

/** A route that forgot to say who may call it must not be open by accident. */
function statesItsAccess({ config, method, url }: RouteOptions): void {
  const { public: open, scope, role, workspaceRole, signedIn, platformAdmin } = config ?? {};
  if (method === 'OPTIONS' || open || scope || role || workspaceRole || signedIn || platformAdmin) return;
  throw new Error(`${String(method)} ${url} does not state who may call it`);
}

/** Who makes the request, for the audit log. */
export function actorOf(request: FastifyRequest): Actor {
  const { user, apiKey, ip } = request;
  if (user) return { type: 'user', id: user.id, ip };
  if (apiKey) return { type: 'api_key', id: apiKey.id, ip };
  return { type: 'system', id: null, ip };
}

/** The user of a route that wants one. */
export function userOf({ user }: FastifyRequest): User {
  if (!user) throw new AppError('ACCESS_TOKEN_REQUIRED');
  return user;
}

/**
 * Admits a key with the scope, or throws API_KEY_REQUIRED, INVALID_API_KEY, DOMAIN_NOT_AUTHORIZED or
 * INSUFFICIENT_SCOPE. For routes that take their key from elsewhere than our own headers, too. `onlyListedSites`: a
 * project without an allowlist lets no page in.
 */
export async function admitKey(
  request: FastifyRequest,
  { stores, dispatcher, settings }: AccessDependencies,
  given: string | undefined,
  scope: Scope,
  { onlyListedSites = false } = {},
): Promise<void> {
  if (!given) throw new AppError('API_KEY_REQUIRED');
  const key = await stores.keys.find(given);
  if (!key) throw new AppError('INVALID_API_KEY');
  const { origin } = request.headers;
  const mayCall = onlyListedSites ? isSiteListed : isSiteAllowed;
  if (origin !== undefined && !mayCall(origin, key, key, settings.defaultAllowedDomains)) {
    throw new AppError('DOMAIN_NOT_AUTHORIZED', {
      message: `Pages of ${origin.slice(0, 200)} may not use this key. Add the site to the project's allowedDomains.`,
    });
  }
  if (!effectiveScopes(key, origin !== undefined).includes(scope)) {
    const message = `This key may not do that: it needs the "${scope}" scope, and a browser may only chat.`;
    throw new AppError('INSUFFICIENT_SCOPE', { message });
  }
  request.projectId = key.projectId;
  request.apiKey = key;
  if (key.useIsOld) void stores.keys.used(key.id).catch((error: unknown) => logLoss(request, error));
  if (origin !== undefined && key.kind === 'ordinary' && key.publicSince === null) {
    const flagged = stores.keys.markPublic(key.projectId, key.id, request.ip);
    void flagged
      .then((mails) => mails.forEach(dispatcher.startSoon))
      .catch((error: unknown) => logLoss(request, error));
  }
}

async function admitUser(
  request: FastifyRequest,
  { stores, tokens, settings }: AccessDependencies,
): Promise<void> {
  const { role, workspaceRole, platformAdmin } = request.routeOptions.config;
  const { origin } = request.headers;
  if (
    origin !== undefined &&
    settings.dashboardOrigins.length > 0 &&
    !settings.dashboardOrigins.includes(origin)
  ) {
    throw new AppError('ORIGIN_NOT_ALLOWED');
  }
  const token = bearerOf(request);
  if (!token) throw new AppError('ACCESS_TOKEN_REQUIRED');
  const claims = await tokens.verifyAccess(token);
  if (!claims) throw new AppError('INVALID_ACCESS_TOKEN');

  const projectId = role ? idOf(request, 'projectId', 'PROJECT_NOT_FOUND') : undefined;
  const workspaceId = workspaceRole ? idOf(request, 'workspaceId', 'WORKSPACE_NOT_FOUND') : undefined;
  const signed = await stores.sessions.find(claims.sessionId, claims.userId, {
    ...(projectId ? { projectId } : {}),
    ...(workspaceId ? { workspaceId } : {}),
  });
  if (!signed) throw new AppError('INVALID_ACCESS_TOKEN');
  const needed = role ?? workspaceRole;
  if (needed) {
    // What one is no member of does not exist for them.
    if (!signed.role) throw new AppError(role ? 'PROJECT_NOT_FOUND' : 'WORKSPACE_NOT_FOUND');
    if (!hasRole(signed.role, needed)) {
      throw new AppError('INSUFFICIENT_ROLE', {
        message: `That needs the role "${needed}" in this workspace; yours is "${signed.role}".`,
      });
    }
    request.role = signed.role;
  }
  // To everybody else there is no such route.
  if (platformAdmin && !signed.user.platformAdmin) throw new AppError('ROUTE_NOT_FOUND');
  request.projectId = projectId ?? '';
  request.user = signed.user;
  request.sessionId = claims.sessionId;
}

function idOf(
  { params, query, routeOptions }: FastifyRequest,
  name: 'projectId' | 'workspaceId',
  missing: 'PROJECT_NOT_FOUND' | 'WORKSPACE_NOT_FOUND',
): string {
  const parameter = (name === 'projectId' && routeOptions.config.projectParameter) || name;
  const id = (params as Record<string, unknown>)[name] ?? (query as Record<string, unknown>)[parameter];
  if (id === undefined) {
    throw new AppError('INVALID_REQUEST', { message: `Say which one: add ?${parameter}=… to the address.` });
  }
  if (typeof id !== 'string' || !isUuid(id)) throw new AppError(missing);
  return id;
}

/** The token of an Authorization header. */
export function bearerOf({ headers }: FastifyRequest): string | undefined {
  return /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
}

function keyOf({ headers }: FastifyRequest): string | undefined {
  const given = headers['x-api-key'] ?? headers['x-widget-api-key'] ?? headers['x-admin-api-key'];
  return typeof given === 'string' ? given : undefined;
}

function logLoss(request: FastifyRequest, error: unknown): void {
  request.log.warn({ err: error }, 'the use of a key was not written down');
}
