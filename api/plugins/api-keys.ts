import type { FastifyRequest } from 'fastify';
import { type ApiKey, effectiveScopes, type Role, type Scope } from '../../domain/auth.ts';
import { AppError } from '../../domain/errors.ts';
import type { KeyStore } from '../../stores/postgres/keys.ts';
import type { App } from '../app.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The scope that a key needs for this route. A route without one is public. */
    scope?: Scope;
    /** The least role that lets a member of the project's workspace make this call, with a bearer token. */
    role?: Role;
  }
  interface FastifyRequest {
    /** The key's project; routes with a scope always have one. */
    projectId: string;
  }
}

/** Refuses a route that states a scope to requests whose key does not have it. */
export function apiKeyAuthentication(app: App, keys: Pick<KeyStore, 'find'>): void {
  app.decorateRequest('projectId', '');
  app.addHook('onRequest', async (request) => {
    const { scope } = request.routeOptions.config;
    if (!scope) return;
    const key = await findKey(request, keys);
    if (!effectiveScopes(key, request.headers.origin !== undefined).includes(scope)) {
      const message = `This key may not do that: it needs the "${scope}" scope, and a browser may only chat.`;
      throw new AppError('INSUFFICIENT_SCOPE', { message });
    }
    request.projectId = key.projectId;
  });
}

async function findKey(request: FastifyRequest, keys: Pick<KeyStore, 'find'>): Promise<ApiKey> {
  const given = request.headers['x-api-key'] ?? request.headers['x-widget-api-key'];
  if (typeof given !== 'string' || given === '') throw new AppError('API_KEY_REQUIRED');
  const key = await keys.find(given);
  if (!key) throw new AppError('INVALID_API_KEY');
  return key;
}
