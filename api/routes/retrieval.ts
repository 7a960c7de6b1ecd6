import { z } from 'zod';
import { AppError, ProviderError } from '../../domain/errors.ts';
import type { App, AppDependencies } from '../app.ts';

const body = z.object({
  query: z.string().trim().min(1, 'must not be empty').max(8_000),
  limit: z.number().int().min(1).max(200).default(10),
});

const score = z.number().nullable();
const schema = {
  summary: 'What a question finds in the documents, with each score',
  tags: ['Documents'],
  body,
  response: {
    200: z.object({
      results: z.array(
        z.object({
          documentId: z.string(),
          chunkId: z.string(),
          title: z.string(),
          heading: z.string(),
          text: z.string(),
          scores: z.object({ bm25: score, dense: score, fused: z.number() }),
        }),
      ),
    }),
  },
};

export function retrievalRoutes(app: App, { retriever }: Pick<AppDependencies, 'retriever'>): void {
  const config = { scope: 'documents', role: 'viewer', errors: ['SEARCH_UNAVAILABLE'] } as const;
  // What a turn would be shown and why: the way to see where an answer came from, and to measure retrieval.
  app.post('/retrieval/search', { config, schema }, async (request) => {
    const { query, limit } = request.body;
    try {
      const passages = await retriever.search(request.projectId, { text: query, limit });
      return {
        results: passages.map(({ documentId, chunkId, title, headingPath, text, scores }) => ({
          documentId,
          chunkId,
          title,
          heading: headingPath.join(' › '),
          text,
          scores,
        })),
      };
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      throw new AppError('SEARCH_UNAVAILABLE', { cause: error, details: { retryAfterSeconds: 5 } });
    }
  });
}
