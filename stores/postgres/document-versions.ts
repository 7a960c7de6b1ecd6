import { AppError } from '../../domain/errors.ts';
import { type Dispatch, type IngestDocumentInput, ingestDocumentDispatch } from '../../domain/flows.ts';
import {
  type DocumentRecord,
  type DocumentStatus,
  type IngestionEnd,
  type IngestionStep,
  isUnfinished,
} from '../../domain/ingestion.ts';
import { embeddingModelOf } from '../../domain/models.ts';
import { projectSettings } from '../../domain/projects.ts';
import { spaceNameOf } from '../../domain/rebuilds.ts';
import { contentHash, putBlob, removeUnusedBlobs } from './blobs.ts';
import type { Query, Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { removeUnusedEmbeddings } from './embeddings.ts';
import { asJson } from './json.ts';
import { insertWebhookEvents } from './webhook-events.ts';

/** What a worker needs of a version to ingest it. */
export interface DocumentVersion {
  title: string;
  mimeType: string;
  filename: string | null;
  contentHash: Uint8Array;
  /** Null until it was parsed. */
  textHash: Uint8Array | null;
  pageStarts: number[] | null;
  status: DocumentStatus;
  /** A later version answers already. */
  superseded: boolean;
}

/** New content of a document. What is left out stays as it is. */
export interface Replacement {
  title: string;
  mimeType: string;
  filename?: string | undefined;
  bytes: Uint8Array;
  source?: string | undefined;
  metadata?: Record<string, unknown> | undefined;
}

export interface NewVersion {
  version: number;
  /** False where the latest version has this content already: nothing is to be done. */
  changed: boolean;
  dispatch: Dispatch | undefined;
}

interface LatestVersion {
  version: number;
  run: number;
  title: string;
  mimeType: string;
  filename: string | null;
  contentHash: Uint8Array;
  status: DocumentRecord['status'];
}

/** Versions of documents: a new one is indexed beside the one that answers, and takes its place in one transaction. */
export function createDocumentVersionStore(sql: Sql) {
  return {
    /**
     * Gives a document new content. Until the new version is published the one before it answers. Undefined where
     * there is no such document.
     */
    async replace(
      projectId: string,
      documentId: string,
      content: Replacement,
    ): Promise<NewVersion | undefined> {
      return await sql.begin(async (tx) => {
        const latest = await lockLatest(tx, projectId, documentId);
        if (!latest) return undefined;
        await tx`
          update documents set source = coalesce(${content.source ?? null}, source), updated_at = now(),
            metadata = coalesce(${content.metadata === undefined ? null : asJson(tx, content.metadata)}, metadata)
          where id = ${documentId}`;
        const { title, mimeType, bytes, filename = null } = content;
        const same =
          latest.title === title &&
          latest.mimeType === mimeType &&
          latest.filename === filename &&
          contentHash(bytes).equals(latest.contentHash);
        if (same && (latest.status === 'ready' || isUnfinished(latest.status)))
          return { version: latest.version, changed: false, dispatch: undefined };
        const hash = await putBlob(tx, projectId, bytes);
        const next = { title, mimeType, filename, contentHash: hash, sizeBytes: bytes.byteLength };
        return await insertVersion(tx, projectId, documentId, latest.version + 1, next);
      });
    },

    /** Ingests the latest content again, as a new version. One that is being ingested goes on. */
    async reindex(projectId: string, documentId: string): Promise<NewVersion | undefined> {
      return await sql.begin(async (tx) => {
        const latest = await lockLatest(tx, projectId, documentId);
        if (!latest) return undefined;
        if (isUnfinished(latest.status))
          return { version: latest.version, changed: false, dispatch: undefined };
        const [{ sizeBytes } = { sizeBytes: 0 }] = await tx<{ sizeBytes: number }[]>`
          select size_bytes from document_versions where document_id = ${documentId} and version = ${latest.version}`;
        return await insertVersion(tx, projectId, documentId, latest.version + 1, { ...latest, sizeBytes });
      });
    },

    /**
     * Runs the latest version again after it has failed or was cancelled; what its earlier runs have read and embedded
     * is kept. Undefined where there is no such document. Throws DOCUMENT_STATE where it has not ended badly.
     */
    async retry(projectId: string, documentId: string): Promise<Dispatch | undefined> {
      return await sql.begin(async (tx) => {
        const latest = await lockLatest(tx, projectId, documentId);
        if (!latest) return undefined;
        const { version, status } = latest;
        if (status !== 'failed' && status !== 'cancelled') {
          const message = `Only a failed or cancelled document can be tried again; this one is ${status}.`;
          throw new AppError('DOCUMENT_STATE', { message });
        }
        const run = latest.run + 1;
        await tx`
          update document_versions set status = 'queued', run = ${run}, step = null, done_chunks = 0,
            step_since = null, waiting_until = null, paused = false, error_code = null, error_message = null,
            updated_at = now()
          where document_id = ${documentId} and version = ${version}`;
        const dispatch = ingestDocumentDispatch({ projectId, documentId, version, run });
        await insertDispatch(tx, dispatch);
        return dispatch;
      });
    },

    /** Undefined when the document is gone or being deleted. */
    async version(
      projectId: string,
      documentId: string,
      version: number,
    ): Promise<DocumentVersion | undefined> {
      const [row] = await sql<DocumentVersion[]>`
        select v.title, v.mime_type, v.filename, v.content_hash, v.text_hash, v.page_starts, v.status,
          coalesce(d.current_version > v.version, false) as superseded
        from document_versions v join documents d on d.id = v.document_id and d.deleted_at is null
        where v.project_id = ${projectId} and v.document_id = ${documentId} and v.version = ${version}`;
      return row;
    },

    /** Earlier versions that are still being ingested. */
    async unfinishedBefore(
      projectId: string,
      documentId: string,
      version: number,
    ): Promise<IngestDocumentInput[]> {
      return await sql<IngestDocumentInput[]>`
        select project_id, document_id, version, run from document_versions
        where project_id = ${projectId} and document_id = ${documentId} and version < ${version}
          and status in ('queued', 'processing')`;
    },

    /** Stores what was read from a version's content. */
    async parsed(
      projectId: string,
      documentId: string,
      version: number,
      read: { text: string; mimeType: string; pageStarts: number[] | null; language: string | null },
    ): Promise<void> {
      await sql.begin(async (tx) => {
        const hash = await putBlob(tx, projectId, Buffer.from(read.text));
        await tx`
          update document_versions set text_hash = ${hash}, mime_type = ${read.mimeType}, language = ${read.language},
            page_starts = ${read.pageStarts && tx.array(read.pageStarts)}::integer[], updated_at = now()
          where project_id = ${projectId} and document_id = ${documentId} and version = ${version}
            and status in ('queued', 'processing')`;
      });
    },

    /** Shows how far a version is. Has no effect once it has ended. */
    async progress(
      projectId: string,
      documentId: string,
      version: number,
      progress: { step: IngestionStep; doneChunks?: number; totalChunks?: number },
    ): Promise<void> {
      const again = sql`step = ${progress.step} and ${!progress.doneChunks}`;
      await sql`
        update document_versions set status = 'processing', step = ${progress.step},
          step_since = case when step = ${progress.step} then step_since else now() end,
          done_chunks = coalesce(${progress.doneChunks ?? null}, done_chunks),
          total_chunks = coalesce(${progress.totalChunks ?? null}, total_chunks),
          error_message = case when ${again} then error_message end,
          waiting_until = case when ${again} then waiting_until end, updated_at = now()
        where project_id = ${projectId} and document_id = ${documentId} and version = ${version}
          and status in ('queued', 'processing')`;
    },

    /** Shows why a version does not get on and when it is tried again, until it does. No effect once it has ended. */
    async problem(
      projectId: string,
      documentId: string,
      version: number,
      problem: { message: string; waitingUntil: Date | null },
    ): Promise<void> {
      await sql`
        update document_versions set error_message = ${problem.message}, waiting_until = ${problem.waitingUntil},
          updated_at = now()
        where project_id = ${projectId} and document_id = ${documentId} and version = ${version}
          and status in ('queued', 'processing')`;
    },

    async pause(projectId: string, documentId: string, version: number, paused: boolean): Promise<void> {
      await sql`
        update document_versions set paused = ${paused}, status = 'processing', step = coalesce(step, 'parsing'),
          updated_at = now()
        where project_id = ${projectId} and document_id = ${documentId} and version = ${version}
          and status in ('queued', 'processing')`;
    },

    /**
     * Makes a version the one that answers, in one transaction; a newer one that was published first stays. `moved`: the
     * project has got another embedding model since the version was indexed.
     */
    async publish(
      projectId: string,
      documentId: string,
      version: number,
    ): Promise<'published' | 'superseded' | 'deleted' | 'moved'> {
      return await sql.begin(async (tx) => {
        const [document] = await tx<{ currentVersion: number | null }[]>`
          select current_version from documents
          where project_id = ${projectId} and id = ${documentId} and deleted_at is null for update`;
        if (!document) return 'deleted';
        if ((document.currentVersion ?? 0) > version) return 'superseded';
        // Held, so that the project does not get another model meanwhile.
        const [project] = await tx<{ settings: unknown }[]>`
          select settings from projects where id = ${projectId} for share`;
        const space = spaceNameOf(embeddingModelOf(projectSettings.parse(project!.settings)));
        const elsewhere = await tx`
          select 1 from document_versions where document_id = ${documentId} and version = ${version}
            and cardinality(indexed_in) > 0 and not (${space} = any(indexed_in))`;
        if (elsewhere.length > 0) return 'moved';
        await tx`
          update documents d set current_version = v.version, title = v.title, updated_at = now()
          from document_versions v
          where d.id = ${documentId} and v.document_id = d.id and v.version = ${version}`;
        // One that is ready already was published by an earlier try, and its webhooks know.
        const made = await tx`
          update document_versions set status = 'ready', step = null, done_chunks = coalesce(total_chunks, 0),
            step_since = null, waiting_until = null, paused = false, error_code = null, error_message = null,
            updated_at = now()
          where project_id = ${projectId} and document_id = ${documentId} and version = ${version}
            and status <> 'ready' returning 1`;
        if (made.length > 0) await insertWebhookEvents(tx, projectId, endedEvent(tx, documentId, version));
        return 'published';
      });
    },

    /** Records how a version ended without being published. A recorded end is never overwritten. */
    async end(projectId: string, documentId: string, version: number, outcome: IngestionEnd): Promise<void> {
      await sql.begin(async (tx) => {
        const ended = await tx`
          update document_versions set status = ${outcome.status}, error_code = ${outcome.code},
            error_message = ${outcome.message}, waiting_until = null, paused = false, updated_at = now()
          where project_id = ${projectId} and document_id = ${documentId} and version = ${version}
            and status in ('queued', 'processing') returning 1`;
        if (ended.length > 0 && outcome.status === 'failed') {
          await insertWebhookEvents(tx, projectId, endedEvent(tx, documentId, version));
        }
      });
    },

    /** Removes content, text, chunks and embeddings of the versions before this one, where nothing else has them. */
    async retireBefore(projectId: string, documentId: string, version: number): Promise<void> {
      await sql.begin(async (tx) => {
        const chunks = await tx<{ embeddingHash: Uint8Array }[]>`
          delete from chunks
          where project_id = ${projectId} and document_id = ${documentId} and version < ${version}
          returning embedding_hash`;
        const versions = await tx<{ contentHash: Uint8Array; textHash: Uint8Array | null }[]>`
          update document_versions set retired_at = now()
          where project_id = ${projectId} and document_id = ${documentId} and version < ${version}
            and retired_at is null
          returning content_hash, text_hash`;
        const hashes = versions.flatMap((row) => [row.contentHash, row.textHash]);
        await removeUnusedBlobs(tx, projectId, hashes);
        await removeUnusedEmbeddings(
          tx,
          projectId,
          chunks.map((row) => row.embeddingHash),
        );
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

/** The latest version of a document, whose row stays locked until the transaction ends. */
async function lockLatest(
  tx: Query,
  projectId: string,
  documentId: string,
): Promise<LatestVersion | undefined> {
  const [row] = await tx<LatestVersion[]>`
    select v.version, v.run, v.title, v.mime_type, v.filename, v.content_hash, v.status
    from documents d join document_versions v on v.document_id = d.id and v.version = d.latest_version
    where d.project_id = ${projectId} and d.id = ${documentId} and d.deleted_at is null for update of d`;
  return row;
}

async function insertVersion(
  tx: Query,
  projectId: string,
  documentId: string,
  version: number,
  content: Pick<LatestVersion, 'title' | 'mimeType' | 'filename' | 'contentHash'> & { sizeBytes: number },
): Promise<NewVersion> {
  await tx`
    insert into document_versions
      (project_id, document_id, version, title, mime_type, filename, size_bytes, content_hash, status)
    values (${projectId}, ${documentId}, ${version}, ${content.title}, ${content.mimeType}, ${content.filename},
      ${content.sizeBytes}, ${Buffer.from(content.contentHash)}, 'queued')`;
  await tx`update documents set latest_version = ${version}, updated_at = now() where id = ${documentId}`;
  const dispatch = ingestDocumentDispatch({ projectId, documentId, version, run: 1 });
  await insertDispatch(tx, dispatch);
  return { version, changed: true, dispatch };
}
