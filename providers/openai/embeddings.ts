import type { EmbeddingModel } from '../../domain/models.ts';
import type { EmbeddingPace, EmbeddingProvider, EmbeddingPurpose } from '../embedding.ts';
import { createRemoteEmbedder } from '../remote-embedder.ts';
import { connectOpenAi, openAiFailure, type OpenAiOptions } from './client.ts';

/** Models that can give shorter vectors are asked for the size that the index has. */
const resizable = /^text-embedding-3-/;

/** Models that were trained with a word before the text. */
const prefixes: Readonly<Record<string, Record<EmbeddingPurpose, string>>> = {
  'nomic-embed-text': { query: 'search_query: ', document: 'search_document: ' },
};

/** `openai` and `ollama`. */
export function createOpenAiEmbedder(
  options: OpenAiOptions & {
    timeout: number;
    space: Pick<EmbeddingModel, 'model' | 'dimensions'>;
    pace?: EmbeddingPace;
  },
): EmbeddingProvider {
  const { name, space, timeout, pace } = options;
  const { model, dimensions } = space;
  const client = connectOpenAi(options);
  const prefix = prefixes[model.replace(/:.*$/, '')];
  return createRemoteEmbedder({
    name,
    space,
    timeout,
    pace,
    batch: 128,
    failure: (error) => openAiFailure(name, error, model),
    async call(texts, purpose, signal) {
      const { data } = await client.embeddings.create(
        {
          model,
          input: prefix ? texts.map((text) => prefix[purpose] + text) : [...texts],
          // Otherwise the client asks for base64, which not every server that speaks this API has.
          encoding_format: 'float',
          ...(resizable.test(model) ? { dimensions } : {}),
        },
        { signal },
      );
      // In the order of `index`, whatever order they come in.
      return data.toSorted((a, b) => a.index - b.index).map(({ embedding }) => embedding);
    },
  });
}
