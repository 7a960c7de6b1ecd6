// What the SmartChat dashboard reads of conversations, and its documents.
import multipart from '@fastify/multipart';
import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { type DocumentStatus, isUnfinished } from '../../domain/ingestion.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { App, AppDependencies } from '../app.ts';
import { actorOf } from '../plugins/access.ts';
import { withinLimit } from '../routes/documents.ts';
import { messagesOf } from './smartchat.ts';
import {
  done,
  errors,
  listLimit,
  ofTenant,
  success,
  adminTags as tags,
  tenantQuery,
} from './smartchat-shared.ts';

export function smartChatConversationRoutes(app: App, { stores }: AppDependencies): void {
  const querystring = tenantQuery.extend({ limit: listLimit });
  const listed = z.object({
    id: z.string(),
    session_id: z.string().nullable(),
    user_id: z.string().nullable(),
    user_name: z.string().nullable(),
    user_email: z.string().nullable(),
    message_count: z.int(),
    created_at: z.string(),
    last_message_at: z.string().nullable(),
  });

  app.get(
    '/api/admin/conversations',
    {
      config: ofTenant('viewer'),
      schema: {
        tags,
        summary: 'The newest conversations',
        querystring,
        response: { 200: z.object({ conversations: z.array(listed) }), ...errors },
      },
    },
    async ({ projectId, query }) => {
      const { conversations } = await stores.conversations.list(projectId, query);
      const ids = conversations.map(({ id }) => id);
      const visitors = await stores.widgetConversations.visitors(projectId, ids);
      return {
        conversations: conversations.map((one) => ({
          id: one.id,
          session_id: one.sessionId,
          user_id: visitors.get(one.id)?.userId ?? null,
          user_name: visitors.get(one.id)?.name ?? null,
          user_email: visitors.get(one.id)?.email ?? null,
          message_count: one.messageCount,
          created_at: one.createdAt.toISOString(),
          last_message_at: one.lastMessageAt?.toISOString() ?? null,
        })),
      };
    },
  );

  app.get(
    '/api/admin/conversations/:id/messages',
    {
      config: ofTenant('viewer'),
      schema: {
        tags,
        summary: 'The messages of a conversation, oldest first',
        params: z.object({ id: z.string() }),
        querystring,
        response: {
          200: z.object({
            messages: z.array(
              z.object({ id: z.string(), role: z.string(), content: z.string(), created_at: z.string() }),
            ),
          }),
          ...errors,
        },
      },
    },
    async ({ projectId, params: { id }, query }) => {
      const found = isUuid(id) ? await stores.conversations.get(projectId, id) : undefined;
      if (!found) throw new AppError('CONVERSATION_NOT_FOUND');
      const { turns } = await stores.conversations.turns(projectId, id, query);
      return { messages: turns.flatMap(messagesOf) };
    },
  );
}

export async function smartChatKnowledgeRoutes(app: App, deps: AppDependencies): Promise<void> {
  const { stores, dispatcher, settings } = deps;
  const status = z.enum(['processing', 'ready', 'error']);
  if (!app.hasContentTypeParser('multipart/form-data')) {
    await app.register(multipart, {
      limits: { fileSize: settings.maxContentBytes + 1, files: 1, fields: 10 },
    });
  }

  app.get(
    '/api/admin/knowledge',
    {
      config: ofTenant('viewer'),
      schema: {
        tags,
        summary: 'The newest documents',
        querystring: tenantQuery.extend({ limit: listLimit }),
        response: {
          200: z.object({
            sources: z.array(
              z.object({
                id: z.string(),
                filename: z.string(),
                source_type: z.string(),
                status,
                chunk_count: z.int(),
                created_at: z.string(),
              }),
            ),
          }),
          ...errors,
        },
      },
    },
    async ({ projectId, query }) => {
      const documents = await stores.documents.list(projectId, query);
      return {
        sources: documents.map((document) => ({
          id: document.id,
          filename: document.filename ?? document.title,
          source_type: typeOf(document.filename),
          status: statusOf(document.status),
          chunk_count: document.status === 'ready' ? (document.totalChunks ?? 0) : 0,
          created_at: document.createdAt.toISOString(),
        })),
      };
    },
  );

  app.post(
    '/api/admin/knowledge/upload',
    {
      config: ofTenant('editor'),
      bodyLimit: settings.maxContentBytes + 64 * 1024,
      schema: {
        tags,
        summary: 'Take a file in and ingest it',
        description: 'As `multipart/form-data` with the file in `file`.',
        querystring: tenantQuery,
        response: { 200: z.object({ id: z.string(), filename: z.string(), status }), ...errors },
      },
    },
    async (request) => {
      const file = request.isMultipart() ? await request.file() : undefined;
      if (!file) {
        const message = 'Send multipart/form-data with a file in the field "file".';
        throw new AppError('INVALID_REQUEST', { message });
      }
      const filename = file.filename.slice(0, 255) || 'document';
      const bytes = withinLimit(await file.toBuffer(), settings.maxContentBytes);
      if (bytes.byteLength === 0) throw new AppError('CONTENT_REQUIRED', { message: 'The file is empty.' });
      const { documentId, dispatch } = await stores.documents.accept(
        request.projectId,
        {
          title: filename.replace(/\.[A-Za-z0-9]{1,5}$/, '').slice(0, 200) || 'document',
          source: filename,
          metadata: {},
          mimeType: file.mimetype,
          filename,
          bytes,
        },
        undefined,
      );
      if (dispatch) dispatcher.startSoon(dispatch);
      return { id: documentId, filename, status: 'processing' as const };
    },
  );

  app.delete(
    '/api/admin/knowledge/:id',
    {
      config: ofTenant('editor'),
      schema: {
        tags,
        summary: 'Remove a document; it stops answering at once',
        params: z.object({ id: z.string() }),
        querystring: tenantQuery,
        response: { 200: done, ...errors },
      },
    },
    async (request) => {
      const { projectId, params } = request;
      const dispatch = isUuid(params.id)
        ? await stores.documents.delete(projectId, params.id, actorOf(request))
        : undefined;
      if (!dispatch) throw new AppError('DOCUMENT_NOT_FOUND');
      dispatcher.startSoon(dispatch);
      return success;
    },
  );
}

const typeOf = (filename: string | null) =>
  /\.([A-Za-z0-9]{1,5})$/.exec(filename ?? '')?.[1]?.toLowerCase() ?? 'text';

function statusOf(status: DocumentStatus): 'processing' | 'ready' | 'error' {
  if (isUnfinished(status)) return 'processing';
  return status === 'ready' ? 'ready' : 'error';
}
