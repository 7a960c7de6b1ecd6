import {
  ActivityCancellationType,
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  rootCause,
  setCurrentDetails,
  sleep,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { RankedChunk, TurnStatus } from '../domain/chat.ts';
import { record, turn } from '../domain/deadlines.ts';
import type { ChatTurnInput } from '../domain/flows.ts';
import { cancellationOf, codeOf, wasStopped } from './failures.ts';

const quick = proxyLocalActivities<Activities>({
  summary: 'search the documents, quick try',
  startToCloseTimeout: turn.firstRetrieval,
  retry: { maximumAttempts: 1 },
});

const persistently = { startToCloseTimeout: record.attempt, retry: record.retry };
const { openTurn } = proxyLocalActivities<Activities>({
  ...persistently,
  summary: 'see whether it is still to be answered',
});
const { recordTurn } = proxyLocalActivities<Activities>({ ...persistently, summary: 'record the outcome' });

const { retrievePassages } = proxyActivities<Activities>({
  summary: 'search the documents',
  startToCloseTimeout: turn.retrieval,
  retry: turn.retry,
});

const { generateAnswer } = proxyActivities<Activities>({
  summary: 'generate the answer',
  startToCloseTimeout: turn.deadline,
  heartbeatTimeout: turn.generationHeartbeat,
  // What was said until the cancellation is stored before the turn is recorded.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: turn.retry,
});

const { summariseEarlier } = proxyActivities<Activities>({
  summary: 'summarise what was said before',
  startToCloseTimeout: turn.summary,
  heartbeatTimeout: turn.generationHeartbeat,
  // Then the conversation's next turn tries again.
  retry: { ...turn.retry, maximumAttempts: 3 },
});

/** Answers one question: retrieve, generate, record. It ends with exactly one recorded outcome. */
export async function chatTurn(input: ChatTurnInput): Promise<{ status: TurnStatus }> {
  const deadline = new Deadline();
  const progress: Progress = { step: 'searching the documents', trouble: undefined };
  try {
    const { status, summarise } = await deadline.run(() => answer(input, progress));
    if (summarise) await summariseBefore(input, status);
    return { status };
  } catch (error) {
    const end = deadline.passed
      ? deadlinePassed(progress)
      : wasStopped(error)
        ? 'cancelled'
        : failureOf(error);
    setCurrentDetails(end === 'cancelled' ? 'Stopped' : `Failed: ${end.message}`);
    const outcome = await CancellationScope.nonCancellable(() => recordTurn(input, end));
    // The answer had been recorded after all, by an earlier run that an operator has reset.
    if (outcome.status === 'answered' || outcome.status === 'declined') return outcome;
    // The workflow ends as the turn did, so that it stands out in the Temporal UI.
    if (end === 'cancelled') throw cancellationOf(error, 'Stopped');
    throw ApplicationFailure.nonRetryable(end.message, end.code);
  }
}

/** Where the turn is, in words: for the operator who looks, and for the visitor when the deadline passes. */
interface Progress {
  step: string;
  trouble: string | undefined;
}

async function answer(
  input: ChatTurnInput,
  progress: Progress,
): Promise<{ status: TurnStatus; summarise?: true }> {
  const begin = (step: string) => {
    Object.assign(progress, { step, trouble: undefined });
    setCurrentDetails(`Now ${step}`);
  };
  begin('searching the documents');
  // Side by side: a turn that has been recorded already is rare, and a visitor waits for both.
  const [{ status }, ranked] = await Promise.all([openTurn(input), retrieve(input, progress)]);
  if (status !== 'running') return { status };
  begin(`generating the answer from ${ranked.length} passages`);
  const { attempt } = await generateAnswer(input, ranked);
  const outcome = await CancellationScope.nonCancellable(() => recordTurn(input, { attempt }));
  setCurrentDetails(`Recorded: ${outcome.status}`);
  return outcome;
}

/**
 * One quick try inside the workflow task, which costs no round trip; after that a normal activity, whose retries the
 * Temporal UI shows and which can be cancelled at once.
 */
async function retrieve(input: ChatTurnInput, progress: Progress): Promise<RankedChunk[]> {
  try {
    return await quick.retrievePassages(input);
  } catch (error) {
    if (isCancellation(error)) throw error;
    progress.trouble = rootCause(error);
    setCurrentDetails(`Search is not answering, trying again: ${progress.trouble}`);
    return await retrievePassages(input);
  }
}

/** For the turns that follow. This one is recorded: whatever happens here, and a stop, changes nothing of it. */
async function summariseBefore(input: ChatTurnInput, status: TurnStatus): Promise<void> {
  setCurrentDetails(`Recorded: ${status}. Now summarising what was said before`);
  try {
    await summariseEarlier(input);
    setCurrentDetails(`Recorded: ${status}`);
  } catch (error) {
    const reason = rootCause(error) ?? 'unknown reason';
    setCurrentDetails(`Recorded: ${status}. Without a summary of what was said before: ${reason}`);
  }
}

/** The turn's own timer: a workflowExecutionTimeout would end the workflow without running the code that records it. */
class Deadline {
  passed = false;

  async run<T>(work: () => Promise<T>): Promise<T> {
    return await CancellationScope.cancellable(async () => {
      const scope = CancellationScope.current();
      const timer = new CancellationScope();
      timer
        .run(() => sleep(turn.deadline, { summary: 'deadline of the turn' }))
        .then(
          () => {
            this.passed = true;
            scope.cancel();
          },
          () => {},
        );
      try {
        return await work();
      } finally {
        timer.cancel();
      }
    });
  }
}

interface Failure {
  code: string;
  message: string;
}

function deadlinePassed({ step, trouble }: Progress): Failure {
  const reason = trouble === undefined ? '' : ` (${trouble})`;
  return {
    code: 'TURN_DEADLINE',
    message: `No answer within ${turn.deadline / 1000} s, still ${step}${reason}.`,
  };
}

function failureOf(error: unknown): Failure {
  return { code: codeOf(error, 'TURN_FAILED'), message: rootCause(error) ?? 'unknown reason' };
}
