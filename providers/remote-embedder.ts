// What embedding models behind an API have in common: batches, one time limit a call, and vectors that are checked.
import { ProviderError } from '../domain/errors.ts';
import type { EmbeddingPace, EmbeddingProvider, EmbeddingPurpose } from './embedding.ts';
import { brokenProtocol } from './failures.ts';

interface RemoteEmbedder {
  name: string;
  space: { model: string; dimensions: number };
  /** Milliseconds for one call. */
  timeout: number;
  pace?: EmbeddingPace | undefined;
  /** Most texts in one call. */
  batch: number;
  call: (texts: readonly string[], purpose: EmbeddingPurpose, signal: AbortSignal) => Promise<number[][]>;
  failure: (error: unknown) => ProviderError;
}

export function createRemoteEmbedder(options: RemoteEmbedder): EmbeddingProvider {
  const { name, space, timeout, pace, batch, call, failure } = options;

  async function embedBatch(
    texts: readonly string[],
    purpose: EmbeddingPurpose,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array[]> {
    const limit = AbortSignal.timeout(timeout);
    let vectors: number[][];
    try {
      vectors = await call(texts, purpose, signal ? AbortSignal.any([signal, limit]) : limit);
    } catch (error) {
      signal?.throwIfAborted();
      if (limit.aborted) {
        const message = `no embeddings within ${timeout / 1000} s.`;
        throw new ProviderError(name, message, { retryable: true, kind: 'timeout' });
      }
      throw error instanceof ProviderError ? error : failure(error);
    }
    if (vectors.length !== texts.length) {
      throw brokenProtocol(name, `sent ${vectors.length} embeddings for ${texts.length} texts.`);
    }
    return vectors.map((vector) => normalised(vector));
  }

  /** Of norm 1, as the index compares them. A vector of another size belongs to another space: it is never stored. */
  function normalised(vector: number[]): Float32Array {
    if (vector.length !== space.dimensions) {
      const message =
        `${space.model} gives ${vector.length} numbers a text, and the project is set up for ${space.dimensions}. ` +
        'Correct embeddingDimensions.';
      throw new ProviderError(name, message, { retryable: false, kind: 'request' });
    }
    const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    if (!(norm > 0) || !Number.isFinite(norm))
      throw brokenProtocol(name, 'sent an embedding without numbers.');
    return Float32Array.from(vector, (value) => value / norm);
  }

  return {
    ...space,
    pace,
    async embed(texts, { purpose, signal }) {
      const vectors: Float32Array[] = [];
      for (let from = 0; from < texts.length; from += batch) {
        signal?.throwIfAborted();
        vectors.push(...(await embedBatch(texts.slice(from, from + batch), purpose, signal)));
      }
      return vectors;
    },
    async close() {},
  };
}
