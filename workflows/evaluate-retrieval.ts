import { CancellationScope, proxyActivities, rootCause, setCurrentDetails } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { ingestion, record } from '../domain/deadlines.ts';
import type { EvaluateRetrievalInput } from '../domain/flows.ts';

const { askTestQuestions } = proxyActivities<Activities>({
  summary: 'ask the test questions',
  startToCloseTimeout: ingestion.step,
  scheduleToCloseTimeout: ingestion.giveUpAfter,
  heartbeatTimeout: ingestion.heartbeat,
  retry: ingestion.retry,
});
const { endEvaluation } = proxyActivities<Activities>({
  summary: 'record the scores',
  startToCloseTimeout: record.attempt,
  retry: record.retry,
});

/** Asks a project's test questions and records how well retrieval found what they expect. */
export async function evaluateRetrieval(input: EvaluateRetrievalInput): Promise<void> {
  try {
    setCurrentDetails('Asking the test questions');
    await askTestQuestions(input);
    await endEvaluation(input, null);
    setCurrentDetails('Done');
  } catch (error) {
    const reason = rootCause(error) ?? 'unknown reason';
    setCurrentDetails(`Failed: ${reason}`);
    await CancellationScope.nonCancellable(() => endEvaluation(input, reason));
    throw error;
  }
}
