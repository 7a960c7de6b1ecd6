import type { EmbeddingProvider } from './embedding.ts';

/** About 2 MB of vectors at 384 dimensions. */
const remembered = 1_000;

/**
 * Remembers the vectors of recent queries: a turn needs its question's twice, for retrieval and for its answer, and
 * visitors ask the same things. Documents pass through.
 */
export function withQueryCache(embeddings: EmbeddingProvider): EmbeddingProvider {
  // A Map keeps its order: the first is the one that was not used for the longest time.
  const vectors = new Map<string, Float32Array>();

  const keep = (text: string, vector: Float32Array) => {
    vectors.delete(text);
    vectors.set(text, vector);
    const [oldest] = vectors.keys();
    if (vectors.size > remembered && oldest !== undefined) vectors.delete(oldest);
  };

  return {
    model: embeddings.model,
    dimensions: embeddings.dimensions,
    pace: embeddings.pace,
    close: () => embeddings.close(),
    async embed(texts, options) {
      const [text] = texts;
      if (options.purpose !== 'query' || texts.length !== 1 || text === undefined) {
        return await embeddings.embed(texts, options);
      }
      const vector = vectors.get(text) ?? (await embeddings.embed(texts, options))[0]!;
      keep(text, vector);
      return [vector];
    },
  };
}
