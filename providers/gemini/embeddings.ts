import { type EmbedContentRequest, TaskType } from '@google/generative-ai';
import type { EmbeddingModel } from '../../domain/models.ts';
import type { EmbeddingPace, EmbeddingProvider } from '../embedding.ts';
import { createRemoteEmbedder } from '../remote-embedder.ts';
import { connectGemini, geminiFailure, geminiName as name, type GeminiOptions } from './client.ts';

const tasks = { query: TaskType.RETRIEVAL_QUERY, document: TaskType.RETRIEVAL_DOCUMENT };
/** Models that can give shorter vectors are asked for the size that the index has. */
const resizable = /^gemini-embedding-/;

export function createGeminiEmbedder(
  options: GeminiOptions & {
    timeout: number;
    space: Pick<EmbeddingModel, 'model' | 'dimensions'>;
    pace?: EmbeddingPace;
  },
): EmbeddingProvider {
  const { space, timeout, pace, baseUrl } = options;
  const { model, dimensions } = space;
  const generative = connectGemini(options).getGenerativeModel({ model }, { baseUrl });
  return createRemoteEmbedder({
    name,
    space,
    timeout,
    pace,
    batch: 100,
    failure: (error) => geminiFailure(error, model),
    async call(texts, purpose, signal) {
      const requests = texts.map((text): EmbedContentRequest & { outputDimensionality?: number } => ({
        content: { role: 'user', parts: [{ text }] },
        taskType: tasks[purpose],
        ...(resizable.test(model) ? { outputDimensionality: dimensions } : {}),
      }));
      const { embeddings } = await generative.batchEmbedContents({ requests }, { signal });
      return embeddings.map(({ values }) => values);
    },
  });
}
