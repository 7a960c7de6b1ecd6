import { ApplicationFailure, proxyActivities, setCurrentDetails, sleep } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { questions, record } from '../domain/deadlines.ts';
import type { AnswerQuestionInput } from '../domain/flows.ts';

const persistently = { startToCloseTimeout: record.attempt, retry: record.retry };
const { questionProgress } = proxyActivities<Activities>({
  ...persistently,
  summary: 'see whether the document is ready',
});
const { askQuestionAgain } = proxyActivities<Activities>({
  ...persistently,
  summary: 'ask the question again',
});

/** Asks an unanswered question again, once the document that somebody wrote for it is ready. */
export async function answerQuestion(input: AnswerQuestionInput): Promise<{ turnId: string }> {
  const { maximumInterval, backoffCoefficient, initialInterval } = questions.look;
  for (let pause: number = initialInterval; ; pause = Math.min(pause * backoffCoefficient, maximumInterval)) {
    setCurrentDetails('Waiting for the document');
    const progress = await questionProgress(input);
    if (progress === 'ready') break;
    if (progress !== 'waiting') {
      setCurrentDetails(`The document is ${progress}: not asked again`);
      throw ApplicationFailure.nonRetryable(`The document is ${progress}.`, 'QUESTION_NOT_ANSWERED');
    }
    await sleep(pause, { summary: 'until the document is looked at again' });
  }
  const asked = await askQuestionAgain(input);
  setCurrentDetails('Asked again');
  return asked;
}
