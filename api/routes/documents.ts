import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { type DocumentRecord, titleOf } from '../../domain/ingestion.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { App, AppDependencies } from '../app.ts';
import { idempotencyOf } from '../idempotency.ts';

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

export function documentRoutes(app: App, { stores, dispatcher, settings }: AppDependencies): void {
  const config = { scope: 'documents' } as const;

  const found = async (projectId: string, documentId: string): Promise<DocumentRecord> => {
    const document = isUuid(documentId) ? await stores.documents.get(projectId, documentId) : undefined;
    if (!document) throw new AppError('DOCUMENT_NOT_FOUND');
    return document;
  };

  app.post(
    '/upload-doc',
    // JSON escapes can double the size of a text; the decoded content has the limit of its own below.
    { config, schema: { body: uploadBody }, bodyLimit: 2 * settings.maxContentBytes + 64 * 1024 },
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

  app.get('/documents', { config, schema: { querystring: listQuery } }, async (request) => {
    const documents = await stores.documents.list(request.projectId, request.query);
    const last = documents.length === request.query.limit ? documents.at(-1) : undefined;
    return { documents: documents.map(view), nextBefore: last?.id ?? null };
  });

  app.get('/documents/:documentId', { config, schema: { params: idParams } }, async (request) => ({
    document: view(await found(request.projectId, request.params.documentId)),
  }));

  app.delete('/documents/:documentId', { config, schema: { params: idParams } }, async (request, reply) => {
    const { documentId } = request.params;
    await found(request.projectId, documentId);
    const dispatch = await stores.documents.delete(request.projectId, documentId);
    if (!dispatch) throw new AppError('DOCUMENT_NOT_FOUND');
    dispatcher.startSoon(dispatch);
    // It no longer answers; a workflow removes what is left of it.
    return reply.status(202).send({ document: { id: documentId, status: 'deleted' } });
  });
}

function tooLarge(bytes: number, limit: number): AppError {
  return new AppError('CONTENT_TOO_LARGE', {
    message: `The content has ${bytes} bytes; this server accepts ${limit}. Split it, or raise MAX_CONTENT_BYTES.`,
    details: { bytes, limit },
  });
}

/** A document on the wire. */
function view(document: DocumentRecord) {
  const { errorCode, errorMessage, doneChunks, totalChunks, step, ...rest } = document;
  return {
    ...rest,
    progress:
      step === null
        ? null
        : // Until it has ended there is no error, only a problem that a retry may find solved.
          { step, done: doneChunks, total: totalChunks, problem: errorCode === null ? errorMessage : null },
    chunks: document.status === 'ready' ? (totalChunks ?? 0) : 0,
    error: errorCode === null ? null : { code: errorCode, message: errorMessage },
  };
}
