import { createHash } from 'node:crypto';
import { AppError } from '../../domain/errors.ts';
import type { Query } from './client.ts';

/** The client's promise that a repeated call is the same call. */
export interface Idempotency {
  operation: string;
  key: string;
  body: unknown;
}

/**
 * Claims the key for `resultId` and returns undefined, or returns the id that the first call with it made.
 * Runs inside the transaction that makes the result: a second caller waits for the first one's commit or rollback.
 * Throws IDEMPOTENCY_KEY_REUSED when the first call had another body.
 */
export async function claimIdempotencyKey(
  query: Query,
  projectId: string,
  { operation, key, body }: Idempotency,
  resultId: string,
): Promise<string | undefined> {
  const bodyHash = createHash('sha256').update(canonicalJson(body)).digest();
  const claimed = await query`
    insert into idempotency_keys (project_id, operation, key, body_hash, result_id)
    values (${projectId}, ${operation}, ${key}, ${bodyHash}, ${resultId})
    on conflict do nothing returning 1`;
  if (claimed.length > 0) return undefined;
  const [first] = await query<{ bodyHash: Uint8Array; resultId: string }[]>`
    select body_hash, result_id from idempotency_keys
    where project_id = ${projectId} and operation = ${operation} and key = ${key}`;
  if (!first || !bodyHash.equals(first.bodyHash)) throw new AppError('IDEMPOTENCY_KEY_REUSED');
  return first.resultId;
}

/** JSON with the keys of every object in order, so that equal bodies are equal text. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
