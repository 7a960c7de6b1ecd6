import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { titleOf } from '../../domain/ingestion.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { NewDocument } from '../../stores/postgres/documents.ts';
import type { App, AppDependencies } from '../app.ts';
import { eventsOf, sendChanges } from '../document-events.ts';
import { idempotencyOf } from '../idempotency.ts';
import { contentField, duplicatesQuery, metadataField, withinLimit } from './documents.ts';
import { documentOf, fileFields } from './files.ts';

const mostDocuments = 1_000;
const metadata = metadataField.default({});
const entry = z.union([
  z.object({ ...fileFields, metadata }),
  z.object({ content: contentField, metadata, filename: z.undefined().optional() }),
]);
const bulkBody = z.object({ documents: z.array(entry).min(1).max(mostDocuments) });

const batch = z.object({
  id: z.string(),
  total: z.int().describe('Of the documents in the call.'),
  done: z.int().describe('Ready, failed, cancelled, deleted, or left out as a duplicate.'),
  counts: z.object({
    queued: z.int(),
    processing: z.int(),
    ready: z.int(),
    failed: z.int(),
    cancelled: z.int(),
  }),
  createdAt: z.date(),
});
const tags = ['Documents'];
const schemas = {
  bulk: {
    summary: `Takes up to ${mostDocuments} documents in, all or none of them, with one progress`,
    description: 'Each is a text as for /upload-doc, or a file inside JSON as for /upload-doc/file.',
    tags,
    querystring: duplicatesQuery,
    body: bulkBody,
    response: { 202: z.object({ batch }) },
  },
  get: {
    summary: 'How far a batch is; `GET /documents?batchId=…&status=failed` lists its documents',
    tags,
    params: z.object({ batchId: z.string() }),
    response: { 200: z.object({ batch }) },
  },
  events: {
    summary: 'Follows a batch live, until all of it has ended',
    description: 'Server-sent events named `batch`; each has the whole batch, as GET gives it.',
    tags,
    params: z.object({ batchId: z.string() }),
    response: { 200: eventsOf(z.object({ batch })) },
  },
};

export function batchRoutes(app: App, deps: AppDependencies): void {
  const { stores, dispatcher, settings } = deps;
  const config = { scope: 'documents', role: 'editor' } as const;
  const limit = settings.maxContentBytes;

  const shown = async (projectId: string, batchId: string) => {
    const found = isUuid(batchId) ? await stores.documents.batch(projectId, batchId) : undefined;
    if (!found) throw new AppError('BATCH_NOT_FOUND');
    const counts = { queued: 0, processing: 0, ready: 0, failed: 0, cancelled: 0, ...found.counts };
    return { batch: { ...found, counts, done: found.total - counts.queued - counts.processing } };
  };

  app.post(
    '/documents/bulk',
    {
      config: { ...config, errors: ['IDEMPOTENCY_KEY_REUSED'] },
      schema: schemas.bulk,
      bodyLimit: 2 * limit + 64 * 1024,
    },
    async (request, reply) => {
      const documents = request.body.documents.map((given): NewDocument => {
        if (given.filename !== undefined) return documentOf(given, limit);
        const { content, metadata } = given;
        return {
          title: metadata.title ?? titleOf(content),
          source: metadata.source ?? 'api',
          metadata,
          mimeType: 'text/markdown',
          bytes: withinLimit(Buffer.from(content), limit),
        };
      });
      const { batchId, dispatches } = await stores.documents.acceptBatch(
        request.projectId,
        documents,
        idempotencyOf(request, 'documents/bulk'),
        { skipDuplicates: request.query.duplicates === 'skip' },
      );
      dispatcher.startAllSoon(dispatches);
      return reply.status(202).send(await shown(request.projectId, batchId));
    },
  );

  app.get(
    '/documents/batches/:batchId',
    { config: { ...config, role: 'viewer', errors: ['BATCH_NOT_FOUND'] }, schema: schemas.get },
    async (request) => await shown(request.projectId, request.params.batchId),
  );

  app.get(
    '/documents/batches/:batchId/events',
    { config: { ...config, role: 'viewer', errors: ['BATCH_NOT_FOUND'] }, schema: schemas.events },
    async (request, reply) => {
      const { projectId, params } = request;
      return sendChanges(reply, 'batch', {
        first: await shown(projectId, params.batchId),
        read: () => shown(projectId, params.batchId).catch(whereGone),
        ended: ({ batch }) => batch.done === batch.total,
      });
    },
  );
}

/** A batch goes with its project. */
function whereGone(error: Error): undefined {
  if (!(error instanceof AppError)) throw error;
}
