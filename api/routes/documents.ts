import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { titleOf } from '../../domain/ingestion.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { App, AppDependencies } from '../app.ts';
import { actorOf } from '../plugins/access.ts';
import { documentView, viewOf } from '../document-view.ts';
import { idempotencyOf } from '../idempotency.ts';

export const contentField = z.string().refine((text) => text.trim() !== '', 'must not be empty');
export const metadataField = z
  .looseObject({
    title: z.string().trim().min(1).max(200).optional(),
    source: z.string().max(2_000).optional(),
    category: z.string().max(200).optional(),
  })
  .refine((value) => JSON.stringify(value).length <= 16_384, 'must be at most 16 KB');

const uploadBody = z.object({ content: contentField, metadata: metadataField.default({}) });
const changeBody = z
  .strictObject({
    enabled: z.boolean().optional(),
    source: z.string().max(2_000).optional(),
    metadata: metadataField.optional().describe('Takes the place of all metadata'),
  })
  .refine((body) => Object.keys(body).length > 0, 'must have enabled, source or metadata');

/** What to do with content that a document of the project has already. */
export const duplicatesQuery = z.object({ duplicates: z.enum(['keep', 'skip']).default('keep') });

const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  before: z.uuid().optional(),
  batchId: z.uuid().optional(),
  status: documentView.shape.status.optional(),
});

export const documentParams = z.object({ documentId: z.string() });
const projectParams = z.object({ projectId: z.string() });
export const oneDocument = z.object({ document: documentView });
const tags = ['Documents'];

const schemas = {
  upload: {
    summary: 'Takes a text in and ingests it',
    tags,
    querystring: duplicatesQuery,
    body: uploadBody,
    response: { 202: oneDocument },
  },
  list: {
    summary: 'Documents, newest first',
    tags,
    querystring: listQuery,
    response: {
      200: z.object({
        documents: z.array(documentView),
        nextBefore: z.string().nullable().describe('Send it as `before` for the next page.'),
      }),
    },
  },
  get: {
    summary: 'A document with its status and error',
    tags,
    params: documentParams,
    response: { 200: oneDocument },
  },
  change: {
    summary: 'Switches a document on or off, or changes its metadata',
    tags,
    params: documentParams,
    body: changeBody,
    response: { 200: oneDocument },
  },
  delete: {
    summary: 'Removes a document; it stops answering at once',
    tags,
    params: documentParams,
    response: { 202: z.object({ document: z.object({ id: z.string(), status: z.literal('deleted') }) }) },
  },
};

/** The document's record on the wire. Throws DOCUMENT_NOT_FOUND. */
export async function shown({ stores }: Pick<AppDependencies, 'stores'>, projectId: string, id: string) {
  const document = isUuid(id) ? await stores.documents.get(projectId, id) : undefined;
  if (!document) throw new AppError('DOCUMENT_NOT_FOUND');
  return { document: viewOf(document) };
}

export function documentRoutes(app: App, deps: AppDependencies): void {
  const { stores, dispatcher, settings } = deps;
  const uploading = { scope: 'documents', role: 'editor', errors: ['IDEMPOTENCY_KEY_REUSED'] } as const;
  const listing = { scope: 'documents', role: 'viewer' } as const;
  const reading = { ...listing, errors: ['DOCUMENT_NOT_FOUND'] } as const;
  const editing = { ...reading, role: 'editor' } as const;
  // JSON escapes can double the size of a text; the decoded content has the limit of its own below.
  const bodyLimit = 2 * settings.maxContentBytes + 64 * 1024;

  const list = async ({ projectId, query }: { projectId: string; query: z.infer<typeof listQuery> }) => {
    const documents = await stores.documents.list(projectId, query);
    const last = documents.length === query.limit ? documents.at(-1) : undefined;
    return { documents: documents.map(viewOf), nextBefore: last?.id ?? null };
  };

  app.post(
    '/upload-doc',
    { config: uploading, schema: schemas.upload, bodyLimit },
    async (request, reply) => {
      const { content, metadata } = request.body;
      const { documentId, dispatch } = await stores.documents.accept(
        request.projectId,
        {
          title: metadata.title ?? titleOf(content),
          source: metadata.source ?? 'api',
          metadata,
          mimeType: 'text/markdown',
          bytes: withinLimit(Buffer.from(content), settings.maxContentBytes),
        },
        idempotencyOf(request, 'upload-doc'),
        { skipDuplicates: request.query.duplicates === 'skip' },
      );
      if (dispatch) dispatcher.startSoon(dispatch);
      return reply.status(202).send(await shown(deps, request.projectId, documentId));
    },
  );

  app.get('/documents', { config: listing, schema: schemas.list }, async (request) => list(request));
  // The dashboard's, whose token belongs to no one project.
  app.get(
    '/projects/:projectId/documents',
    { config: listing, schema: { ...schemas.list, params: projectParams } },
    async (request) => list(request),
  );

  app.get(
    '/documents/:documentId',
    { config: reading, schema: schemas.get },
    async (request) => await shown(deps, request.projectId, request.params.documentId),
  );

  app.patch('/documents/:documentId', { config: editing, schema: schemas.change }, async (request) => {
    const { projectId, params, body } = request;
    const known = isUuid(params.documentId);
    if (!known || !(await stores.documents.change(projectId, params.documentId, body, actorOf(request))))
      throw new AppError('DOCUMENT_NOT_FOUND');
    return await shown(deps, projectId, params.documentId);
  });

  app.delete(
    '/documents/:documentId',
    { config: editing, schema: schemas.delete },
    async (request, reply) => {
      const { projectId, params } = request;
      const { document } = await shown(deps, projectId, params.documentId);
      const dispatch = await stores.documents.delete(projectId, document.id, actorOf(request));
      if (!dispatch) throw new AppError('DOCUMENT_NOT_FOUND');
      dispatcher.startSoon(dispatch);
      // It no longer answers; a workflow removes what is left of it.
      return reply.status(202).send({ document: { id: document.id, status: 'deleted' as const } });
    },
  );
}

/** The bytes, or CONTENT_TOO_LARGE. */
export function withinLimit<T extends Uint8Array>(bytes: T, limit: number): T {
  if (bytes.byteLength <= limit) return bytes;
  const size = bytes.byteLength;
  throw new AppError('CONTENT_TOO_LARGE', {
    message: `The content has ${size} bytes; this server accepts ${limit}. Split it, or raise MAX_CONTENT_BYTES.`,
    details: { bytes: size, limit },
  });
}
