import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { ingestion as timing } from '../../domain/deadlines.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { IngestDocumentInput } from '../../domain/flows.ts';
import type { DocumentVersion } from '../../stores/postgres/document-versions.ts';
import type { Stores } from '../../stores/postgres/index.ts';
import { withHeartbeat } from '../heartbeat.ts';

type Work<T> = Parameters<typeof withHeartbeat<T>>[1];
type StepStores = { stores: Pick<Stores, 'documents'> };

/** The version to work on. Fails for good when the document was deleted, or when a later version answers already. */
export async function versionOf(
  { stores }: StepStores,
  { projectId, documentId, version }: IngestDocumentInput,
): Promise<DocumentVersion> {
  const found = await stores.documents.version(projectId, documentId, version);
  if (!found) throw ApplicationFailure.nonRetryable('The document was deleted.', 'DOCUMENT_DELETED');
  if (found.superseded) throw superseded();
  return found;
}

export const superseded = () =>
  ApplicationFailure.nonRetryable('A later version of the document was ready first.', 'SUPERSEDED');

/** Runs a step with a heartbeat. While something that it needs is away, the document says what, and until when it waits. */
export async function runStep<T>(
  { stores }: StepStores,
  input: IngestDocumentInput,
  work: Work<T>,
): Promise<T> {
  try {
    return await withHeartbeat(timing.heartbeatEvery, work);
  } catch (error) {
    if (error instanceof ProviderError && error.retryable) {
      const { projectId, documentId, version } = input;
      const waitingUntil = new Date(Date.now() + (error.retryAfterMs ?? nextPause()));
      const problem = { message: error.message, waitingUntil };
      await stores.documents.problem(projectId, documentId, version, problem).catch(() => {});
    }
    throw error;
  }
}

/** How long Temporal waits before it runs this activity again. */
function nextPause(): number {
  const { initialInterval, backoffCoefficient, maximumInterval } = timing.retry;
  return Math.min(
    initialInterval * backoffCoefficient ** (Context.current().info.attempt - 1),
    maximumInterval,
  );
}
