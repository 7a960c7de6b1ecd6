// Who asks: what a signed token proves, and what only the page says.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { verifyVisitor } from '../auth/visitor-tokens.ts';
import { AppError } from '../domain/errors.ts';
import { maxVisitorToken, type Visitor } from '../domain/visitor-logins.ts';
import type { AppDependencies } from './app.ts';

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

/** The token that a call carries, whichever client makes it. */
export function tokenOf({ headers }: Pick<FastifyRequest, 'headers'>): string | undefined {
  const token = headers['x-visitor-token'];
  return typeof token === 'string' ? token : undefined;
}
