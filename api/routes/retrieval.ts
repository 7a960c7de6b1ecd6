import { z } from 'zod';
import { AppError, ProviderError } from '../../domain/errors.ts';
import type { App, AppDependencies } from '../app.ts';

const body = z.object({
  query: z.string().trim().min(1, 'must not be empty').max(8_000),
  limit: z.number().int().min(1).max(200).default(10),
  filter: z
    .record(
      z.string().max(200),
      z.union([z.string().max(2_000), z.number(), z.boolean(), z.array(z.string())]),
    )
    .refine((value) => Object.keys(value).length <= 20, 'must have at most 20 fields')
    .optional()
    .describe('Only documents whose metadata have all of these values; of a list, all its elements.'),
});

/** Elasticsearch takes so many ids in one clause, and a little more. */
const mostFiltered = 50_000;

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
          page: z.int().nullable(),
          text: z.string(),
          scores: z.object({ bm25: score, dense: score, fused: z.number(), rerank: score }),
        }),
      ),
    }),
  },
};

export function retrievalRoutes(
  app: App,
  { retriever, stores }: Pick<AppDependencies, 'retriever' | 'stores'>,
): void {
  const config = { scope: 'documents', role: 'viewer', errors: ['SEARCH_UNAVAILABLE'] } as const;
  // What a turn would be shown and why: the way to see where an answer came from, and to measure retrieval.
  app.post('/retrieval/search', { config, schema }, async (request) => {
    const { query, limit, filter } = request.body;
    const documentIds =
      filter && (await stores.documents.matching(request.projectId, filter, mostFiltered + 1));
    if (documentIds && documentIds.length > mostFiltered) {
      const message = `The filter fits more than ${mostFiltered} documents. Make it narrower, or leave it out.`;
      throw new AppError('INVALID_REQUEST', { message });
    }
    try {
      const passages = await retriever.search(request.projectId, {
        text: query,
        limit,
        ...(documentIds ? { documentIds } : {}),
      });
      return {
        results: passages.map(({ documentId, chunkId, title, headingPath, page, text, scores }) => ({
          documentId,
          chunkId,
          title,
          heading: headingPath.join(' › '),
          page: page ?? null,
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
