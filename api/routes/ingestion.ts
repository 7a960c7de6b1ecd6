import { AppError } from '../../domain/errors.ts';
import { ingestDocumentDispatch } from '../../domain/flows.ts';
import { type IngestionOrder, isUnfinished } from '../../domain/ingestion.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import { z } from 'zod';
import type { App, AppDependencies } from '../app.ts';
import { eventsOf, sendChanges } from '../document-events.ts';
import { viewOf } from '../document-view.ts';
import { documentParams, oneDocument, shown } from './documents.ts';

const projectParams = z.object({ projectId: z.string(), documentId: z.string() });

/** Control over how a document is ingested. */
export function ingestionRoutes(app: App, deps: AppDependencies): void {
  const { stores, dispatcher } = deps;
  const config = { scope: 'documents', role: 'editor', errors: ['DOCUMENT_NOT_FOUND'] } as const;
  const ordering = { ...config, errors: [...config.errors, 'DOCUMENT_STATE'] } as const;
  const schemaOf = (summary: string) => ({
    summary,
    tags: ['Documents'],
    params: documentParams,
    response: { 202: oneDocument },
  });

  app.get(
    '/documents/:documentId/events',
    {
      config: { ...config, role: 'viewer' },
      schema: {
        summary: 'Follows a document live, until it has ended',
        description: 'Server-sent events named `document`; each has the whole document, as GET gives it.',
        tags: ['Documents'],
        params: documentParams,
        response: { 200: eventsOf(oneDocument) },
      },
    },
    async (request, reply) => {
      const { projectId, params } = request;
      const first = await shown(deps, projectId, params.documentId);
      return sendChanges(reply, 'document', {
        first,
        async read() {
          const record = await stores.documents.get(projectId, first.document.id);
          return record && { document: viewOf(record) };
        },
        ended: ({ document }) => !isUnfinished(document.status),
      });
    },
  );

  const reindex = async (projectId: string, documentId: string) => {
    const version = isUuid(documentId) ? await stores.documents.reindex(projectId, documentId) : undefined;
    if (!version) throw new AppError('DOCUMENT_NOT_FOUND');
    if (version.dispatch) dispatcher.startSoon(version.dispatch);
    return await shown(deps, projectId, documentId);
  };
  const reindexing = schemaOf('Ingests the content again, as a new version');
  app.post('/documents/:documentId/reindex', { config, schema: reindexing }, async (request, reply) =>
    reply.status(202).send(await reindex(request.projectId, request.params.documentId)),
  );
  // The dashboard's, whose token belongs to no one project.
  app.post(
    '/projects/:projectId/documents/:documentId/reindex',
    { config, schema: { ...reindexing, params: projectParams } },
    async (request, reply) =>
      reply.status(202).send(await reindex(request.projectId, request.params.documentId)),
  );

  app.post(
    '/documents/:documentId/retry',
    {
      config: ordering,
      schema: schemaOf('Runs a failed or cancelled version again, from the step that failed'),
    },
    async (request, reply) => {
      const { projectId, params } = request;
      const known = isUuid(params.documentId);
      const dispatch = known ? await stores.documents.retry(projectId, params.documentId) : undefined;
      if (!dispatch) throw new AppError('DOCUMENT_NOT_FOUND');
      dispatcher.startSoon(dispatch);
      return reply.status(202).send(await shown(deps, projectId, params.documentId));
    },
  );

  const summaries: Record<IngestionOrder, string> = {
    pause: 'Stops after what is under way, until it is resumed',
    resume: 'Goes on where it was paused',
    cancel: 'Stops for good; the version before it goes on answering',
  };
  for (const order of ['pause', 'resume', 'cancel'] as const) {
    app.post(
      `/documents/:documentId/${order}`,
      { config: ordering, schema: schemaOf(summaries[order]) },
      async (request, reply) => {
        const { projectId, params } = request;
        const document = isUuid(params.documentId)
          ? await stores.documents.get(projectId, params.documentId)
          : undefined;
        if (!document) throw new AppError('DOCUMENT_NOT_FOUND');
        const { id: documentId, version, run, status } = document;
        const input = { projectId, documentId, version, run };
        if (!isUnfinished(status) || !(await dispatcher.order(ingestDocumentDispatch(input), order))) {
          const message = `Only a document that is being ingested can be told to ${order}; this one is ${status}.`;
          throw new AppError('DOCUMENT_STATE', { message });
        }
        return reply.status(202).send(await shown(deps, projectId, documentId));
      },
    );
  }
}
