// What the files of the SmartChat client share.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Role } from '../../domain/auth.ts';
import type { AppDependencies } from '../app.ts';
import { toAppError } from '../plugins/errors.ts';
import { limitGuesses } from '../plugins/rate-limits.ts';

const refused = z.object({ detail: z.string() });
/** What every call of this client may answer with instead. */
export const errors = { 400: refused, 401: refused, 403: refused, 404: refused, 429: refused, 500: refused };

/** The client's own format: `{detail}`. A key in a path that is unknown is a page that is not there. */
export const errorHandler =
  ({ stores, settings }: AppDependencies) =>
  async (error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const failure = { error, request, reply };
    const shown = toAppError(await limitGuesses(stores.limits, settings.rateLimits, failure), request);
    const { code, message, details } = shown;
    if (shown.status >= 500) request.log.error({ err: error, code }, 'request failed');
    else request.log.info({ code }, 'request refused');
    if (typeof details?.retryAfterSeconds === 'number') {
      reply.header('retry-after', String(details.retryAfterSeconds));
    }
    const status = code === 'INVALID_API_KEY' ? 404 : shown.status;
    return reply.status(status).send({ detail: message });
  };

/** Of the dashboard's calls. */
export const adminTags = ['SmartChat: administration'];
export const tenantQuery = z.object({ tenant_id: z.string().describe('The project').optional() });
/** For members of the project in `?tenant_id=`. */
export const ofTenant = (role: Role) => ({ role, projectParameter: 'tenant_id' }) as const;

export const done = z.object({ success: z.literal(true) });
export const success = { success: true } as const;
export const listLimit = z.coerce.number().int().min(1).max(500).default(100);
