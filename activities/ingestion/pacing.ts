import { setTimeout } from 'node:timers/promises';
import { pacing } from '../../domain/deadlines.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { EmbeddingProvider } from '../../providers/embedding.ts';
import type { Stores } from '../../stores/postgres/index.ts';

/** What cannot go on before a moment, for which a workflow waits with a timer of its own. */
export class NotBefore extends Error {
  readonly until: Date;

  constructor(until: Date, reason: string) {
    super(reason);
    this.name = 'NotBefore';
    this.until = until;
  }
}

/**
 * The present, which is not before the workflow's: a moment that it has waited for has come, whatever the clock here
 * says. (Temporal's clock is another machine's, and in tests it runs ahead.)
 */
export function presentOf(workflowTime: string | undefined): () => Date {
  const reached = workflowTime === undefined ? 0 : Date.parse(workflowTime);
  return () => new Date(Math.max(Date.now(), reached));
}

/**
 * Embeds documents' texts in the slots of the provider's key. Throws NotBefore where the slot is too far away to wait for
 * it here, and where the provider limits its calls.
 */
export async function embedPaced(
  { stores }: { stores: Pick<Stores, 'embeddingPaces'> },
  embeddings: EmbeddingProvider,
  texts: readonly string[],
  { signal, now }: { signal: AbortSignal; now: () => Date },
): Promise<Float32Array[]> {
  const { pace } = embeddings;
  const options = { purpose: 'document', signal } as const;
  if (!pace) return await embeddings.embed(texts, options);
  const { key, everyMs, provider } = pace;
  const claimed = now();
  const { at, granted } = await stores.embeddingPaces.claim(key, {
    now: claimed,
    everyMs,
    withinMs: pacing.shortWait,
  });
  if (!granted) throw new NotBefore(at, `${provider}: limits how much it is asked; others are asking.`);
  await setTimeout(at.getTime() - claimed.getTime(), undefined, { signal });
  try {
    const vectors = await embeddings.embed(texts, options);
    await stores.embeddingPaces.answered(key);
    return vectors;
  } catch (error) {
    if (!(error instanceof ProviderError) || error.kind !== 'rate_limited') throw error;
    const { retryAfterMs } = error;
    const until = await stores.embeddingPaces.refused(key, { now: now(), retryAfterMs });
    throw new NotBefore(until, error.message);
  }
}
