// Who asks: what a signed token proves, and what only the page says.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { verifyVisitor } from '../auth/visitor-tokens.ts';
import { AppError } from '../domain/errors.ts';
import { maxVisitorToken, type Visitor } from '../domain/visitor-logins.ts';
import type { AppDependencies } from './app.ts';
import { seesConversations } from './turns.ts';

export const visitorHeaders = z.looseObject({
  'x-visitor-token': z
    .string()
    .max(maxVisitorToken)
    .optional()
    .describe('Who the visitor is, signed: from POST /api/auth/login/{key}, or by the site itself.'),
});

/**
 * Who a signed token says that the visitor is; undefined where nobody says so and nobody has to. Throws
 * VISITOR_LOGIN_REQUIRED for a token that is not good, and where visitors sign in first and this one has not.
 */
export async function visitorOf(
  { stores }: Pick<AppDependencies, 'stores'>,
  projectId: string,
  token: string | undefined,
): Promise<Visitor | undefined> {
  const { auth_mode: mode } = (await stores.visitorLogins.get(projectId)).settings;
  if (mode === 'none') return undefined;
  if (token === undefined) {
    if (mode === 'external_api') throw new AppError('VISITOR_LOGIN_REQUIRED');
    return undefined;
  }
  const visitor = await verifyVisitor(token, await stores.visitorLogins.secret(projectId));
  if (visitor) return visitor;
  throw new AppError('VISITOR_LOGIN_REQUIRED', { message: 'Your login has expired. Sign in again.' });
}

/** The same for a native call. A server that asks for its project is no visitor. */
export async function visitorOfCall(
  deps: Pick<AppDependencies, 'stores'>,
  request: FastifyRequest,
  token: string | undefined,
): Promise<Visitor | undefined> {
  if (token === undefined && seesConversations(request)) return undefined;
  return await visitorOf(deps, request.projectId, token);
}
