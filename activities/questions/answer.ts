import type { AnswerQuestionInput } from '../../domain/flows.ts';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityDependencies } from '../index.ts';

export function createQuestionActivities({
  stores,
  dispatcher,
}: Pick<ActivityDependencies, 'stores' | 'dispatcher'>) {
  return {
    async questionProgress({
      projectId,
      questionId,
    }: AnswerQuestionInput): Promise<'ready' | 'waiting' | 'failed' | 'cancelled' | 'gone'> {
      const answering = await stores.questions.answering(projectId, questionId);
      if (!answering) return 'gone';
      const { status } = answering;
      return status === 'queued' || status === 'processing' ? 'waiting' : status;
    },

    async askQuestionAgain({ projectId, questionId }: AnswerQuestionInput): Promise<{ turnId: string }> {
      const answering = await stores.questions.answering(projectId, questionId);
      if (!answering) throw ApplicationFailure.nonRetryable('The document was deleted.', 'DOCUMENT_DELETED');
      const { question: message, lastTurnId } = answering;
      // The key makes a repeated try the same turn.
      const { turnId, dispatch } = await stores.turns.accept(
        projectId,
        { message, conversation: { repeats: lastTurnId } },
        { operation: 'question', key: questionId, body: {} },
      );
      await stores.questions.askedAgain(projectId, questionId, turnId);
      if (dispatch) dispatcher.startSoon(dispatch);
      return { turnId };
    },
  };
}
