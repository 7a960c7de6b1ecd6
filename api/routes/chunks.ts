import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { App, AppDependencies } from '../app.ts';
import { documentParams, shown } from './documents.ts';

const chunk = z.object({
  id: z.string(),
  version: z.int(),
  ordinal: z.int(),
  headingPath: z.array(z.string()),
  text: z.string(),
  page: z.int().nullable(),
  startOffset: z.int().describe('In the text that was read from the content, in UTF-16 units.'),
  endOffset: z.int(),
  enabled: z.boolean(),
  edited: z.boolean().describe('Its text is not the document’s any more.'),
});

const listQuery = z.object({
  after: z.coerce
    .number()
    .int()
    .min(-1)
    .max(2_147_483_647)
    .default(-1)
    .describe('The ordinal of the last chunk of the page before.'),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});
const changeBody = z
  .strictObject({
    text: z.string().trim().min(1, 'must not be empty').max(2_000).optional(),
    enabled: z.boolean().optional(),
  })
  .refine((body) => Object.keys(body).length > 0, 'must have text or enabled');

const tags = ['Documents'];
const schemas = {
  list: {
    summary: 'The passages of a document, in order',
    description: 'Of the version that answers, or of the latest while none does.',
    tags,
    params: documentParams,
    querystring: listQuery,
    response: { 200: z.object({ chunks: z.array(chunk), nextAfter: z.int().nullable() }) },
  },
  change: {
    summary: 'Edits a passage, or switches it on or off',
    description:
      'The new text is shown at once and found a moment later. A later version takes edits over where its text is the same.',
    tags,
    params: z.object({ documentId: z.string(), chunkId: z.string() }),
    body: changeBody,
    response: { 200: z.object({ chunk }) },
  },
};

export function chunkRoutes(app: App, deps: AppDependencies): void {
  const { stores, dispatcher } = deps;
  const config = { scope: 'documents', role: 'viewer', errors: ['DOCUMENT_NOT_FOUND'] } as const;

  app.get('/documents/:documentId/chunks', { config, schema: schemas.list }, async (request) => {
    const { projectId, params, query } = request;
    const { document } = await shown(deps, projectId, params.documentId);
    const chunks = await stores.chunks.list(projectId, document.id, query);
    const last = chunks.length === query.limit ? chunks.at(-1) : undefined;
    return { chunks, nextAfter: last?.ordinal ?? null };
  });

  app.patch(
    '/documents/:documentId/chunks/:chunkId',
    { config: { ...config, role: 'editor', errors: ['CHUNK_NOT_FOUND'] }, schema: schemas.change },
    async (request) => {
      const { projectId, params, body } = request;
      const { documentId, chunkId } = params;
      const known = isUuid(documentId) && isUuid(chunkId);
      const changed = known ? await stores.chunks.change(projectId, documentId, chunkId, body) : undefined;
      if (!changed) throw new AppError('CHUNK_NOT_FOUND');
      if (changed.dispatch) dispatcher.startSoon(changed.dispatch);
      return { chunk: changed.chunk };
    },
  );
}
