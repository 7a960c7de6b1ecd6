import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { type DocumentRecord, titleOf } from '../../domain/ingestion.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { App, AppDependencies } from '../app.ts';
import { idempotencyOf } from '../idempotency.ts';
import { documentStatus } from '../schemas.ts';

const uploadBody = z.object({
  content: z.string().refine((text) => text.trim() !== '', 'must not be empty'),
  metadata: z
    .looseObject({
      title: z.string().trim().min(1).max(200).optional(),
      source: z.string().max(2_000).optional(),
      category: z.string().max(200).optional(),
    })
    .refine((value) => JSON.stringify(value).length <= 16_384, 'must be at most 16 KB')
    .default({}),
});

const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  before: z.uuid().optional(),
});

const idParams = z.object({ documentId: z.string() });

const tags = ['Documents'];
const document = z.object({
  id: z.string(),
  title: z.string(),
  source: z.string(),
  metadata: z.record(z.string(), z.unknown()),
  version: z.int(),
  currentVersion: z.int().nullable().describe('The version that answers; null while none does.'),
  status: documentStatus,
  progress: z
    .object({
      step: z.enum(['chunking', 'embedding', 'indexing', 'publishing']),
      done: z.int(),
      total: z.int().nullable(),
      problem: z.string().nullable().describe('Why it does not get on at the moment.'),
    })
    .nullable(),
  chunks: z.int(),
  sizeBytes: z.int(),
  error: z.object({ code: z.string(), message: z.string().nullable() }).nullable(),
  createdAt: z.date(),
  updatedAt: z.date(),
});
const one = z.object({ document });
const schemas = {
  upload: {
    summary: 'Takes a text in and ingests it',
    tags,
    body: uploadBody,
    response: { 202: one },
  },
  list: {
    summary: 'Documents, newest first',
    tags,
    querystring: listQuery,
    response: {
      200: z.object({
        documents: z.array(document),
        nextBefore: z.string().nullable().describe('Send it as `before` for the next page.'),
      }),
    },
  },
  get: { summary: 'A document with its status and error', tags, params: idParams, response: { 200: one } },
  delete: {
    summary: 'Removes a document; it stops answering at once',
    tags,
    params: idParams,
    response: { 202: z.object({ document: z.object({ id: z.string(), status: z.literal('deleted') }) }) },
  },
};

export function documentRoutes(app: App, { stores, dispatcher, settings }: AppDependencies): void {
  const uploading = { scope: 'documents', role: 'editor', errors: ['IDEMPOTENCY_KEY_REUSED'] } as const;
  const reading = { scope: 'documents', role: 'viewer', errors: ['DOCUMENT_NOT_FOUND'] } as const;
  const editing = { ...reading, role: 'editor' } as const;

  const found = async (projectId: string, documentId: string): Promise<DocumentRecord> => {
    const document = isUuid(documentId) ? await stores.documents.get(projectId, documentId) : undefined;
    if (!document) throw new AppError('DOCUMENT_NOT_FOUND');
    return document;
  };

  app.post(
    '/upload-doc',
    // JSON escapes can double the size of a text; the decoded content has the limit of its own below.
    { config: uploading, schema: schemas.upload, bodyLimit: 2 * settings.maxContentBytes + 64 * 1024 },
    async (request, reply) => {
      const { content, metadata } = request.body;
      const bytes = Buffer.from(content);
      if (bytes.byteLength > settings.maxContentBytes)
        throw tooLarge(bytes.byteLength, settings.maxContentBytes);
      const { documentId, dispatch } = await stores.documents.accept(
        request.projectId,
        {
          title: metadata.title ?? titleOf(content),
          source: metadata.source ?? 'api',
          metadata,
          mimeType: 'text/markdown',
          bytes,
        },
        idempotencyOf(request, 'upload-doc'),
      );
      if (dispatch) dispatcher.startSoon(dispatch);
      return reply.status(202).send({ document: view(await found(request.projectId, documentId)) });
    },
  );

  app.get('/documents', { config: { ...reading, errors: [] }, schema: schemas.list }, async (request) => {
    const documents = await stores.documents.list(request.projectId, request.query);
    const last = documents.length === request.query.limit ? documents.at(-1) : undefined;
    return { documents: documents.map(view), nextBefore: last?.id ?? null };
  });

  app.get('/documents/:documentId', { config: reading, schema: schemas.get }, async (request) => ({
    document: view(await found(request.projectId, request.params.documentId)),
  }));

  app.delete(
    '/documents/:documentId',
    { config: editing, schema: schemas.delete },
    async (request, reply) => {
      const { documentId } = request.params;
      await found(request.projectId, documentId);
      const dispatch = await stores.documents.delete(request.projectId, documentId);
      if (!dispatch) throw new AppError('DOCUMENT_NOT_FOUND');
      dispatcher.startSoon(dispatch);
      // It no longer answers; a workflow removes what is left of it.
      return reply.status(202).send({ document: { id: documentId, status: 'deleted' } as const });
    },
  );
}

function tooLarge(bytes: number, limit: number): AppError {
  return new AppError('CONTENT_TOO_LARGE', {
    message: `The content has ${bytes} bytes; this server accepts ${limit}. Split it, or raise MAX_CONTENT_BYTES.`,
    details: { bytes, limit },
  });
}

/** A document on the wire. */
function view(record: DocumentRecord): z.infer<typeof document> {
  const { errorCode, errorMessage, doneChunks, totalChunks, step, ...rest } = record;
  return {
    ...rest,
    progress:
      step === null
        ? null
        : // Until it has ended there is no error, only a problem that a retry may find solved.
          { step, done: doneChunks, total: totalChunks, problem: errorCode === null ? errorMessage : null },
    chunks: record.status === 'ready' ? (totalChunks ?? 0) : 0,
    error: errorCode === null ? null : { code: errorCode, message: errorMessage },
  };
}
