import { ingestion as timing } from '../../domain/deadlines.ts';
import type { EvaluateRetrievalInput } from '../../domain/flows.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';

/** Passages looked at for each document that counts: several may be of one document. */
const passagesPerDocument = 5;

export function createEvaluationActivities({
  stores,
  retriever,
}: Pick<ActivityDependencies, 'stores' | 'retriever'>) {
  return {
    /** Asks those that were not asked yet, and keeps which documents each has found. */
    async askTestQuestions({ projectId, evaluationId }: EvaluateRetrievalInput): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, async (signal, report) => {
        for (;;) {
          const open = await stores.evaluations.nextQuestion(projectId, evaluationId);
          if (!open) return;
          const { ordinal, question, depth } = open;
          const passages = await retriever.search(projectId, {
            text: question,
            limit: depth * passagesPerDocument,
            signal,
          });
          const documents = [...new Set(passages.map(({ documentId }) => documentId))].slice(0, depth);
          await stores.evaluations.found(projectId, evaluationId, ordinal, documents);
          report({ asked: ordinal + 1 });
        }
      });
    },

    /** Records the scores, or why there are none. */
    async endEvaluation(
      { projectId, evaluationId }: EvaluateRetrievalInput,
      failure: string | null,
    ): Promise<void> {
      await stores.evaluations.end(projectId, evaluationId, failure);
    },
  };
}
