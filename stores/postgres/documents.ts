import type { Actor } from '../../domain/accounts.ts';
import {
  type Dispatch,
  deleteDocumentDispatch,
  type IngestDocumentInput,
  ingestDocumentDispatch,
} from '../../domain/flows.ts';
import type { DocumentRecord } from '../../domain/ingestion.ts';
import { contentHash, putBlob, removeUnusedBlobs } from './blobs.ts';
import { insertProjectAudit, operator } from './audit.ts';
import type { Query, Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { removeUnusedEmbeddings } from './embeddings.ts';
import { claimIdempotencyKey, type Idempotency } from './idempotency.ts';
import { newId } from './ids.ts';
import { asJson } from './json.ts';

export type DocumentStore = ReturnType<typeof createDocumentStore>;

export interface NewDocument {
  title: string;
  source: string;
  metadata: Record<string, unknown>;
  /** As the sender named it; what it is is found out from the content. */
  mimeType: string;
  filename?: string | undefined;
  bytes: Uint8Array;
}

export interface AcceptOptions {
  /** Content that a document of the project has already gives that document, instead of a second one. */
  skipDuplicates?: boolean | undefined;
}

export interface AcceptedDocument {
  documentId: string;
  /** Undefined where there is nothing to start: a repeated call, or content that is there already. */
  dispatch: Dispatch | undefined;
}

export function createDocumentStore(sql: Sql) {
  const columns = sql`
    d.id, v.title, d.source, d.metadata, d.enabled, d.batch_id, v.version, d.current_version, v.run, v.status, v.step,
    v.done_chunks, v.total_chunks, v.paused, v.step_since, v.waiting_until, v.mime_type, v.filename, v.size_bytes,
    v.language, cardinality(v.page_starts) as pages, v.error_code, v.error_message, d.created_at, v.updated_at,
    (select o.id from document_versions w
      join documents o on o.id = w.document_id and o.latest_version = w.version and o.deleted_at is null
      where w.project_id = d.project_id and w.content_hash = v.content_hash
        and (o.created_at, o.id) < (d.created_at, d.id)
      order by o.created_at, o.id limit 1) as duplicate_of`;

  return {
    /**
     * Takes a document in: content, record, first version and the dispatch of its ingestion, or nothing.
     * A repeated call under the same Idempotency-Key returns the first one's id and no dispatch.
     */
    async accept(
      projectId: string,
      document: NewDocument,
      idempotency: Idempotency | undefined,
      options: AcceptOptions = {},
    ): Promise<AcceptedDocument> {
      const documentId = newId();
      return await sql.begin(async (tx) => {
        if (idempotency) {
          const first = await claimIdempotencyKey(tx, projectId, idempotency, documentId);
          if (first) return { documentId: first, dispatch: undefined };
        }
        return await insertDocument(tx, projectId, { id: documentId, ...document }, options);
      });
    },

    /** Takes many documents in, all or none of them, as one batch. Idempotent like `accept`. */
    async acceptBatch(
      projectId: string,
      documents: readonly NewDocument[],
      idempotency: Idempotency | undefined,
      options: AcceptOptions = {},
    ): Promise<{ batchId: string; dispatches: Dispatch[] }> {
      const batchId = newId();
      return await sql.begin(async (tx) => {
        if (idempotency) {
          const first = await claimIdempotencyKey(tx, projectId, idempotency, batchId);
          if (first) return { batchId: first, dispatches: [] };
        }
        await tx`
          insert into document_batches (id, project_id, total)
          values (${batchId}, ${projectId}, ${documents.length})`;
        const dispatches: Dispatch[] = [];
        for (const document of documents) {
          const { dispatch } = await insertDocument(
            tx,
            projectId,
            { id: newId(), batchId, ...document },
            options,
          );
          if (dispatch) dispatches.push(dispatch);
        }
        return { batchId, dispatches };
      });
    },

    /** How many documents of a batch are in each status. Deleted ones and skipped duplicates are in none. */
    async batch(
      projectId: string,
      batchId: string,
    ): Promise<
      | {
          id: string;
          total: number;
          createdAt: Date;
          counts: Partial<Record<DocumentRecord['status'], number>>;
        }
      | undefined
    > {
      const [row] = await sql<
        { id: string; total: number; createdAt: Date; counts: Record<string, number> }[]
      >`
        select b.id, b.total, b.created_at, coalesce((
          select json_object_agg(status, n) from (
            select v.status, count(*)::int as n from documents d
            join document_versions v on v.document_id = d.id and v.version = d.latest_version
            where d.batch_id = b.id and d.deleted_at is null group by v.status) as counted), '{}') as counts
        from document_batches b where b.project_id = ${projectId} and b.id = ${batchId}`;
      return row;
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
      page: {
        limit: number;
        before?: string | undefined;
        batchId?: string | undefined;
        status?: DocumentRecord['status'] | undefined;
      },
    ): Promise<DocumentRecord[]> {
      const { before, batchId, status } = page;
      return await sql<DocumentRecord[]>`
        select ${columns} from documents d
        join document_versions v on v.document_id = d.id and v.version = d.latest_version
        where d.project_id = ${projectId} and d.deleted_at is null
        ${batchId === undefined ? sql`` : sql`and d.batch_id = ${batchId}`}
        ${status === undefined ? sql`` : sql`and v.status = ${status}`}
        ${
          before === undefined
            ? sql``
            : sql`and (d.created_at, d.id) <
                (select created_at, id from documents where project_id = ${projectId} and id = ${before})`
        }
        order by d.created_at desc, d.id desc limit ${page.limit}`;
    },

    /** Changes what needs no new version. False where there is no such document. */
    async change(
      projectId: string,
      documentId: string,
      changes: {
        enabled?: boolean | undefined;
        source?: string | undefined;
        metadata?: Record<string, unknown> | undefined;
      },
      actor: Actor = operator,
    ): Promise<boolean> {
      const metadata = changes.metadata === undefined ? null : asJson(sql, changes.metadata);
      return await sql.begin(async (tx) => {
        const changed = await tx`
          update documents set enabled = coalesce(${changes.enabled ?? null}, enabled),
            source = coalesce(${changes.source ?? null}, source), metadata = coalesce(${metadata}, metadata),
            updated_at = now()
          where project_id = ${projectId} and id = ${documentId} and deleted_at is null returning 1`;
        if (changed.length === 0) return false;
        const details = { changed: Object.keys(changes) };
        const object = { type: 'document', id: documentId };
        await insertProjectAudit(tx, actor, projectId, 'document.changed', object, details);
        return true;
      });
    },

    /** The documents whose metadata contain all of `filter`, `limit` at most. */
    async matching(
      projectId: string,
      filter: Readonly<Record<string, unknown>>,
      limit: number,
    ): Promise<string[]> {
      const rows = await sql<{ id: string }[]>`
        select id from documents where project_id = ${projectId} and deleted_at is null and enabled
          and current_version is not null and metadata @> ${asJson(sql, filter)} limit ${limit}`;
      return rows.map((row) => row.id);
    },

    /** Hides the document from everything at once and dispatches its removal. Undefined where there is none. */
    async delete(
      projectId: string,
      documentId: string,
      actor: Actor = operator,
    ): Promise<Dispatch | undefined> {
      return await sql.begin(async (tx) => {
        const deleted = await tx`
          update documents set deleted_at = now(), current_version = null, updated_at = now()
          where project_id = ${projectId} and id = ${documentId} and deleted_at is null returning 1`;
        if (deleted.length === 0) return undefined;
        await insertProjectAudit(tx, actor, projectId, 'document.deleted', {
          type: 'document',
          id: documentId,
        });
        const dispatch = deleteDocumentDispatch({ projectId, documentId });
        await insertDispatch(tx, dispatch);
        return dispatch;
      });
    },

    /** Removes the rows of a deleted document, and the content and embeddings that no other document uses. */
    async purge(projectId: string, documentId: string): Promise<void> {
      await sql.begin(async (tx) => {
        const versions = await tx<{ contentHash: Uint8Array; textHash: Uint8Array | null }[]>`
          select content_hash, text_hash from document_versions
          where project_id = ${projectId} and document_id = ${documentId}`;
        const chunks = await tx<{ embeddingHash: Uint8Array }[]>`
          select distinct embedding_hash from chunks where project_id = ${projectId} and document_id = ${documentId}`;
        await tx`
          delete from documents
          where project_id = ${projectId} and id = ${documentId} and deleted_at is not null`;
        await removeUnusedBlobs(
          tx,
          projectId,
          versions.flatMap((row) => [row.contentHash, row.textHash]),
        );
        await removeUnusedEmbeddings(
          tx,
          projectId,
          chunks.map((row) => row.embeddingHash),
        );
      });
    },

    /** The versions of a document that may still be ingested or answer, whether or not it is deleted. */
    async versions(projectId: string, documentId: string): Promise<IngestDocumentInput[]> {
      return await sql<IngestDocumentInput[]>`
        select project_id, document_id, version, run from document_versions
        where project_id = ${projectId} and document_id = ${documentId} and retired_at is null
        order by version desc`;
    },
  };
}

async function insertDocument(
  tx: Query,
  projectId: string,
  document: NewDocument & { id: string; batchId?: string },
  { skipDuplicates }: AcceptOptions,
): Promise<AcceptedDocument> {
  if (skipDuplicates) {
    const [same] = await tx<{ id: string }[]>`
      select d.id from document_versions v
      join documents d on d.id = v.document_id and d.latest_version = v.version and d.deleted_at is null
      where v.project_id = ${projectId} and v.content_hash = ${contentHash(document.bytes)}
        and v.status not in ('failed', 'cancelled')
      order by d.created_at, d.id limit 1`;
    if (same) return { documentId: same.id, dispatch: undefined };
  }
  const hash = await putBlob(tx, projectId, document.bytes);
  await tx`
    insert into documents (id, project_id, title, source, metadata, latest_version, batch_id)
    values (${document.id}, ${projectId}, ${document.title}, ${document.source},
      ${asJson(tx, document.metadata)}, 1, ${document.batchId ?? null})`;
  await tx`
    insert into document_versions
      (project_id, document_id, version, title, mime_type, filename, size_bytes, content_hash, status)
    values (${projectId}, ${document.id}, 1, ${document.title}, ${document.mimeType}, ${document.filename ?? null},
      ${document.bytes.byteLength}, ${hash}, 'queued')`;
  const dispatch = ingestDocumentDispatch({ projectId, documentId: document.id, version: 1, run: 1 });
  await insertDispatch(tx, dispatch);
  return { documentId: document.id, dispatch };
}
