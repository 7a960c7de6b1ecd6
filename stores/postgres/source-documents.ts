import type { TransactionSql } from 'postgres';
import { type Dispatch, ingestDocumentDispatch } from '../../domain/flows.ts';
import { putBlob } from './blobs.ts';
import { insertDispatch } from './dispatches.ts';
import { createDocumentStore, type NewDocument } from './documents.ts';
import { nested } from './nested.ts';

/**
 * The document of a page, within the transaction that records the visit: a new one, or a new version of the one that
 * it has, which answers until the new version is published.
 */
export async function putDocument(
  tx: TransactionSql,
  projectId: string,
  documentId: string | null,
  document: NewDocument,
): Promise<{ documentId: string; dispatch: Dispatch | undefined }> {
  if (documentId === null)
    return await createDocumentStore(nested(tx)).accept(projectId, document, undefined);
  const { title, mimeType, bytes } = document;
  const hash = await putBlob(tx, projectId, bytes);
  const [next] = await tx<{ version: number }[]>`
    update documents set latest_version = latest_version + 1, updated_at = now()
    where project_id = ${projectId} and id = ${documentId} and deleted_at is null
    returning latest_version as version`;
  if (!next) return await putDocument(tx, projectId, null, document);
  const { version } = next;
  await tx`
    insert into document_versions
      (project_id, document_id, version, title, mime_type, size_bytes, content_hash, status)
    values (${projectId}, ${documentId}, ${version}, ${title}, ${mimeType}, ${bytes.byteLength}, ${hash}, 'queued')`;
  const dispatch = ingestDocumentDispatch({ projectId, documentId, version });
  await insertDispatch(tx, dispatch);
  return { documentId, dispatch };
}

/** Deletes the documents that pages had. */
export async function dropDocuments(
  tx: TransactionSql,
  projectId: string,
  documentIds: readonly (string | null)[],
): Promise<Dispatch[]> {
  const documents = createDocumentStore(nested(tx));
  const dispatches: Dispatch[] = [];
  for (const documentId of documentIds) {
    const dispatch = documentId === null ? undefined : await documents.delete(projectId, documentId);
    if (dispatch) dispatches.push(dispatch);
  }
  return dispatches;
}
