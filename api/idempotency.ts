import type { FastifyRequest } from 'fastify';
import { AppError } from '../domain/errors.ts';
import type { Idempotency } from '../stores/postgres/idempotency.ts';

/** The request's Idempotency-Key, if it has one; `body` is what a repeated call must have alike. Throws INVALID_REQUEST for an empty or overlong one. */
export function idempotencyOf(
  request: FastifyRequest,
  operation: string,
  body: unknown = request.body,
): Idempotency | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || key === '' || key.length > 255) {
    throw new AppError('INVALID_REQUEST', { message: 'Idempotency-Key must have 1 to 255 characters.' });
  }
  return { operation, key, body };
}
