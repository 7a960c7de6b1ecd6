import {
  ActivityCancellationType,
  ApplicationFailure,
  CancellationScope,
  defineQuery,
  defineSignal,
  proxyActivities,
  rootCause,
  setCurrentDetails,
  setHandler,
  sleep,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { ingestion, record } from '../domain/deadlines.ts';
import type { IngestDocumentInput } from '../domain/flows.ts';
import type { IngestionEnd, IngestionProgress } from '../domain/ingestion.ts';
import { cancellationOf, codeOf, wasStopped } from './failures.ts';
import { createPausable } from './pausable.ts';
import { untilDone } from './waiting.ts';

const step = {
  startToCloseTimeout: ingestion.step,
  scheduleToCloseTimeout: ingestion.giveUpAfter,
  heartbeatTimeout: ingestion.heartbeat,
  // A step that was told to stop has stopped before the version is recorded as cancelled.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: ingestion.retry,
};

const { parseDocument } = proxyActivities<Activities>({ ...step, summary: 'read the content' });
const { chunkDocument } = proxyActivities<Activities>({ ...step, summary: 'split into chunks' });
const { embedChunks } = proxyActivities<Activities>({ ...step, summary: 'embed the chunks' });
const { indexChunks } = proxyActivities<Activities>({ ...step, summary: 'index in Elasticsearch' });
const { retireVersions } = proxyActivities<Activities>({ ...step, summary: 'remove older versions' });
const { withdrawVersion } = proxyActivities<Activities>({
  ...step,
  scheduleToCloseTimeout: ingestion.withdraw,
  summary: 'remove what it had written',
});

const recording = { startToCloseTimeout: record.attempt, retry: record.retry };
const { publishVersion } = proxyActivities<Activities>({ ...recording, summary: 'let this version answer' });
const { recordPause } = proxyActivities<Activities>({ ...recording, summary: 'record the pause' });
const { endVersion } = proxyActivities<Activities>({ ...recording, summary: 'record how it ended' });

const pauseSignal = defineSignal('pause');
const resumeSignal = defineSignal('resume');
const progressQuery = defineQuery<IngestionProgress>('progress');

/** Makes one version of a document searchable. Every step goes on where an interrupted try stopped. */
export async function ingestDocument(
  input: IngestDocumentInput,
): Promise<{ status: 'ready'; chunks: number }> {
  const at: IngestionProgress = { step: 'parsing', paused: false, chunks: null };
  const steps = createPausable(async (paused) => {
    at.paused = paused;
    if (paused) setCurrentDetails(`Paused while ${at.step}`);
    await recordPause(input, paused);
  });
  setHandler(pauseSignal, steps.pause);
  setHandler(resumeSignal, steps.resume);
  setHandler(progressQuery, () => at);

  const begin = (next: IngestionProgress['step'], details: string) => {
    at.step = next;
    setCurrentDetails(details);
  };
  try {
    await steps.run(() => {
      begin('parsing', 'Reading the content');
      return parseDocument(input);
    });
    const { chunks } = await steps.run(() => {
      begin('chunking', 'Splitting into chunks');
      return chunkDocument(input);
    });
    at.chunks = chunks;
    for (let moved = true; moved; ) {
      await untilDone((now) => {
        begin('embedding', `Embedding ${chunks} chunks`);
        return embedChunks(input, now);
      }, steps);
      await steps.run(() => {
        begin('indexing', `Indexing ${chunks} chunks`);
        return indexChunks(input);
      });
      begin('publishing', 'Publishing');
      moved = (await CancellationScope.nonCancellable(() => publishVersion(input))) === 'moved';
    }
  } catch (error) {
    const end = endOf(error, at);
    setCurrentDetails(end.message);
    await CancellationScope.nonCancellable(async () => {
      await endVersion(input, end);
      if (at.step !== 'parsing') await withdraw(input, at);
    });
    if (wasStopped(error)) throw cancellationOf(error, end.message);
    throw ApplicationFailure.nonRetryable(end.message, end.code);
  }
  // It answers now, whatever comes.
  if (input.version > 1) {
    setCurrentDetails(`Ready with ${at.chunks} chunks; removing older versions`);
    await CancellationScope.nonCancellable(() => retireVersions(input));
  }
  setCurrentDetails(`Ready with ${at.chunks} chunks`);
  return { status: 'ready', chunks: at.chunks ?? 0 };
}

/** What cannot be removed now is never shown, and goes with the next version or run. */
async function withdraw(input: IngestDocumentInput, at: IngestionProgress): Promise<void> {
  if (at.step === 'indexing')
    await sleep(ingestion.lateWrites, { summary: 'writes that were under way may still land' });
  await withdrawVersion(input).catch(() => {});
}

function endOf(error: unknown, { step }: IngestionProgress): IngestionEnd {
  if (wasStopped(error))
    return { status: 'cancelled', code: 'INGESTION_CANCELLED', message: `Stopped while ${step}.` };
  const code = codeOf(error, 'INGESTION_FAILED');
  const reason = rootCause(error) ?? 'unknown reason';
  if (code === 'SUPERSEDED') return { status: 'cancelled', code, message: reason };
  return { status: 'failed', code, message: `Failed while ${step}: ${reason}` };
}
