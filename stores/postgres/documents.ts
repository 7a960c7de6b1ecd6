import { type Dispatch, deleteDocumentDispatch, ingestDocumentDispatch } from '../../domain/flows.ts';
import type { DocumentRecord, IngestionStep } from '../../domain/ingestion.ts';
import { putBlob } from './blobs.ts';
import type { Query, Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { claimIdempotencyKey, type Idempotency } from './idempotency.ts';
import { newId } from './ids.ts';
import { asJson } from './json.ts';
import { insertWebhookEvents } from './webhook-events.ts';

export type DocumentStore = ReturnType<typeof createDocumentStore>;

export interface NewDocument {
  title: string;
  source: string;
  metadata: Record<string, unknown>;
  mimeType: string;
  bytes: Uint8Array;
}

/** What a worker needs of a version to ingest it. */
export interface DocumentVersion {
  title: string;
  mimeType: string;
  contentHash: Uint8Array;
  status: DocumentRecord['status'];
}

export function createDocumentStore(sql: Sql) {
  const columns = sql`
    d.id, v.title, d.source, d.metadata, v.version, d.current_version, v.status, v.step, v.done_chunks,
    v.total_chunks, v.size_bytes, v.error_code, v.error_message, d.created_at, v.updated_at`;

  return {
    /**
     * Takes a document in: content, record, first version and the dispatch of its ingestion, or nothing.
     * A repeated call under the same Idempotency-Key returns the first one's id and no dispatch.
     */
    async accept(
      projectId: string,
      document: NewDocument,
      idempotency: Idempotency | undefined,
    ): Promise<{ documentId: string; dispatch: Dispatch | undefined }> {
      const documentId = newId();
      return await sql.begin(async (tx) => {
        if (idempotency) {
          const first = await claimIdempotencyKey(tx, projectId, idempotency, documentId);
          if (first) return { documentId: first, dispatch: undefined };
        }
        const hash = await putBlob(tx, projectId, document.bytes);
        await tx`
          insert into documents (id, project_id, title, source, metadata, latest_version)
          values (${documentId}, ${projectId}, ${document.title}, ${document.source},
            ${asJson(tx, document.metadata)}, 1)`;
        await tx`
          insert into document_versions
            (project_id, document_id, version, title, mime_type, size_bytes, content_hash, status)
          values (${projectId}, ${documentId}, 1, ${document.title}, ${document.mimeType},
            ${document.bytes.byteLength}, ${hash}, 'queued')`;
        const dispatch = ingestDocumentDispatch({ projectId, documentId, version: 1 });
        await insertDispatch(tx, dispatch);
        return { documentId, dispatch };
      });
    },

    async get(projectId: string, documentId: string): Promise<DocumentRecord | undefined> {
      const [row] = await sql<DocumentRecord[]>`
        select ${columns} from documents d
        join document_versions v on v.document_id = d.id and v.version = d.latest_version
        where d.project_id = ${projectId} and d.id = ${documentId} and d.deleted_at is null`;
      return row;
    },

    /** Newest first. `before` is the id of the last document of the page before. */
    async list(
      projectId: string,
      page: { limit: number; before?: string | undefined },
    ): Promise<DocumentRecord[]> {
      return await sql<DocumentRecord[]>`
        select ${columns} from documents d
        join document_versions v on v.document_id = d.id and v.version = d.latest_version
        where d.project_id = ${projectId} and d.deleted_at is null
        ${
          page.before === undefined
            ? sql``
            : sql`and (d.created_at, d.id) <
                (select created_at, id from documents where project_id = ${projectId} and id = ${page.before})`
        }
        order by d.created_at desc, d.id desc limit ${page.limit}`;
    },

    /** Hides the document from everything at once and dispatches its removal. False where there is none. */
    async delete(projectId: string, documentId: string): Promise<Dispatch | undefined> {
      return await sql.begin(async (tx) => {
        const deleted = await tx`
          update documents set deleted_at = now(), current_version = null, updated_at = now()
          where project_id = ${projectId} and id = ${documentId} and deleted_at is null returning 1`;
        if (deleted.length === 0) return undefined;
        const dispatch = deleteDocumentDispatch({ projectId, documentId });
        await insertDispatch(tx, dispatch);
        return dispatch;
      });
    },

    /** Removes the rows of a deleted document, and the content and embeddings that no other document uses. */
    async purge(projectId: string, documentId: string): Promise<void> {
      await sql.begin(async (tx) => {
        const versions = await tx<{ contentHash: Uint8Array }[]>`
          select content_hash from document_versions where project_id = ${projectId} and document_id = ${documentId}`;
        const hashes = await tx<{ embeddingHash: Uint8Array }[]>`
          select distinct embedding_hash from chunks where project_id = ${projectId} and document_id = ${documentId}`;
        await tx`
          delete from documents
          where project_id = ${projectId} and id = ${documentId} and deleted_at is not null`;
        await tx`
          delete from blobs b where project_id = ${projectId}
            and hash = any(${tx.array(versions.map((row) => Buffer.from(row.contentHash)))}::bytea[])
            and not exists (select 1 from document_versions v
              where v.project_id = ${projectId} and v.content_hash = b.hash)`;
        await tx`
          delete from embeddings e where project_id = ${projectId}
            and hash = any(${tx.array(hashes.map((row) => Buffer.from(row.embeddingHash)))}::bytea[])
            and not exists (select 1 from chunks c where c.project_id = ${projectId} and c.embedding_hash = e.hash)`;
      });
    },

    /** Versions of a document, newest first, whether or not it is deleted. */
    async versions(projectId: string, documentId: string): Promise<number[]> {
      const rows = await sql<{ version: number }[]>`
        select version from document_versions
        where project_id = ${projectId} and document_id = ${documentId} order by version desc`;
      return rows.map((row) => row.version);
    },

    /** Undefined when the document is gone or being deleted. */
    async version(
      projectId: string,
      documentId: string,
      version: number,
    ): Promise<DocumentVersion | undefined> {
      const [row] = await sql<DocumentVersion[]>`
        select v.title, v.mime_type, v.content_hash, v.status
        from document_versions v join documents d on d.id = v.document_id and d.deleted_at is null
        where v.project_id = ${projectId} and v.document_id = ${documentId} and v.version = ${version}`;
      return row;
    },

    /** Shows how far a version is. Has no effect once it has ended. */
    async progress(
      projectId: string,
      documentId: string,
      version: number,
      progress: { step: IngestionStep; doneChunks?: number; totalChunks?: number },
    ): Promise<void> {
      await sql`
        update document_versions set status = 'processing', step = ${progress.step},
          done_chunks = coalesce(${progress.doneChunks ?? null}, done_chunks),
          total_chunks = coalesce(${progress.totalChunks ?? null}, total_chunks),
          error_message = case when step = ${progress.step} and ${!progress.doneChunks} then error_message end,
          updated_at = now()
        where project_id = ${projectId} and document_id = ${documentId} and version = ${version}
          and status in ('queued', 'processing')`;
    },

    /** Shows why a version does not get on, until it does. Has no effect once it has ended. */
    async problem(projectId: string, documentId: string, version: number, message: string): Promise<void> {
      await sql`
        update document_versions set error_message = ${message}, updated_at = now()
        where project_id = ${projectId} and document_id = ${documentId} and version = ${version}
          and status in ('queued', 'processing')`;
    },

    /**
     * Makes a version the one that answers, in one transaction. A newer version that was published first stays.
     * Returns false when the document is gone or being deleted.
     */
    async publish(projectId: string, documentId: string, version: number): Promise<boolean> {
      return await sql.begin(async (tx) => {
        const published = await tx`
          update documents d set current_version = greatest(coalesce(d.current_version, 0), ${version}),
            title = case when coalesce(d.current_version, 0) > ${version} then d.title else v.title end,
            updated_at = now()
          from document_versions v
          where d.project_id = ${projectId} and d.id = ${documentId} and d.deleted_at is null
            and v.document_id = d.id and v.version = ${version}
          returning 1`;
        if (published.length === 0) return false;
        // One that is ready already was published by an earlier try, and its webhooks know.
        const made = await tx`
          update document_versions set status = 'ready', step = null, done_chunks = coalesce(total_chunks, 0),
            error_code = null, error_message = null, updated_at = now()
          where project_id = ${projectId} and document_id = ${documentId} and version = ${version}
            and status <> 'ready' returning 1`;
        if (made.length > 0) await insertWebhookEvents(tx, projectId, endedEvent(tx, documentId, version));
        return true;
      });
    },

    /** Records how a version ended without being published. A recorded end is never overwritten. */
    async end(
      projectId: string,
      documentId: string,
      version: number,
      outcome: { status: 'failed' | 'cancelled'; code: string; message: string },
    ): Promise<void> {
      await sql.begin(async (tx) => {
        const ended = await tx`
          update document_versions set status = ${outcome.status}, error_code = ${outcome.code},
            error_message = ${outcome.message}, updated_at = now()
          where project_id = ${projectId} and document_id = ${documentId} and version = ${version}
            and status in ('queued', 'processing') returning 1`;
        if (ended.length > 0 && outcome.status === 'failed') {
          await insertWebhookEvents(tx, projectId, endedEvent(tx, documentId, version));
        }
      });
    },
  };
}

/** What webhooks are told of a version that is ready, or has failed. */
const endedEvent = (tx: Query, documentId: string, version: number) => tx`
  select 'document.' || v.status as type, jsonb_build_object('documentId', d.id, 'version', v.version,
    'title', v.title, 'source', d.source, 'chunks', v.total_chunks,
    'error', case when v.error_code is null then null
      else jsonb_build_object('code', v.error_code, 'message', v.error_message) end) as data
  from document_versions v join documents d on d.id = v.document_id
  where v.document_id = ${documentId} and v.version = ${version}`;
