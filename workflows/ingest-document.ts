import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  proxyActivities,
  rootCause,
  setCurrentDetails,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { ingestion, record } from '../domain/deadlines.ts';
import type { IngestDocumentInput } from '../domain/flows.ts';
import type { IngestionStep } from '../domain/ingestion.ts';

const step = {
  startToCloseTimeout: ingestion.step,
  scheduleToCloseTimeout: ingestion.giveUpAfter,
  heartbeatTimeout: ingestion.heartbeat,
  // A step that was told to stop has stopped before the version is recorded as cancelled.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: ingestion.retry,
};

const { chunkDocument } = proxyActivities<Activities>({ ...step, summary: 'split into chunks' });
const { embedChunks } = proxyActivities<Activities>({ ...step, summary: 'embed the chunks' });
const { indexChunks } = proxyActivities<Activities>({ ...step, summary: 'index in Elasticsearch' });
const { retireVersions } = proxyActivities<Activities>({ ...step, summary: 'remove older versions' });
const { publishVersion } = proxyActivities<Activities>({
  summary: 'let this version answer',
  startToCloseTimeout: record.attempt,
  retry: record.retry,
});
const { endVersion } = proxyActivities<Activities>({
  summary: 'record how it ended',
  startToCloseTimeout: record.attempt,
  retry: record.retry,
});

/** Makes one version of a document searchable. Every step goes on where an interrupted try stopped. */
export async function ingestDocument(
  input: IngestDocumentInput,
): Promise<{ status: 'ready'; chunks: number }> {
  let current: IngestionStep = 'chunking';
  const begin = (next: IngestionStep, details: string) => {
    current = next;
    setCurrentDetails(details);
  };
  try {
    begin('chunking', 'Splitting into chunks');
    const { chunks } = await chunkDocument(input);
    begin('embedding', `Embedding ${chunks} chunks`);
    await embedChunks(input);
    begin('indexing', `Indexing ${chunks} chunks`);
    await indexChunks(input);
    begin('publishing', 'Publishing');
    await publishVersion(input);
    setCurrentDetails(`Ready with ${chunks} chunks; removing older versions`);
    await retireVersions(input);
    setCurrentDetails(`Ready with ${chunks} chunks`);
    return { status: 'ready', chunks };
  } catch (error) {
    const end = isCancellation(error)
      ? { status: 'cancelled' as const, code: 'INGESTION_CANCELLED', message: `Stopped while ${current}.` }
      : {
          status: 'failed' as const,
          code: codeOf(error),
          message: `Failed while ${current}: ${rootCause(error)}`,
        };
    setCurrentDetails(end.message);
    await CancellationScope.nonCancellable(() => endVersion(input, end));
    if (end.status === 'cancelled') throw error;
    throw ApplicationFailure.nonRetryable(end.message, end.code);
  }
}

function codeOf(error: unknown): string {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure && cause.type ? cause.type : 'INGESTION_FAILED';
}
