import { system } from './audit.ts';
import type { TransactionSql } from 'postgres';
import type { Dispatch } from '../../domain/flows.ts';
import { createDocumentVersionStore } from './document-versions.ts';
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
  const store = nested(tx);
  if (documentId !== null) {
    const replaced = await createDocumentVersionStore(store).replace(projectId, documentId, document);
    if (replaced) return { documentId, dispatch: replaced.dispatch };
  }
  return await createDocumentStore(store).accept(projectId, document, undefined);
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
    const dispatch = documentId === null ? undefined : await documents.delete(projectId, documentId, system);
    if (dispatch) dispatches.push(dispatch);
  }
  return dispatches;
}
