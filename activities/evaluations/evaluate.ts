import { ingestion as timing } from '../../domain/deadlines.ts';
import type { EvaluateRetrievalInput } from '../../domain/flows.ts';
import type { Space } from '../../retrieval/spaces.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';

/** Passages looked at for each document that counts: several may be of one document. */
const passagesPerDocument = 5;

/** In the project's space, or in another one. */
export async function askAll(
  { stores, retriever }: Pick<ActivityDependencies, 'stores' | 'retriever'>,
  { projectId, evaluationId }: EvaluateRetrievalInput,
  { signal, report, space }: { signal: AbortSignal; report: (details: unknown) => void; space?: Space },
): Promise<void> {
  for (;;) {
    const open = await stores.evaluations.nextQuestion(projectId, evaluationId);
    if (!open) return;
    const { ordinal, question, depth } = open;
    const passages = await retriever.search(projectId, {
      text: question,
      limit: depth * passagesPerDocument,
      signal,
      ...(space ? { space } : {}),
    });
    const documents = [...new Set(passages.map(({ documentId }) => documentId))].slice(0, depth);
    await stores.evaluations.found(projectId, evaluationId, ordinal, documents);
    report({ evaluationId, asked: ordinal + 1 });
  }
}

export function createEvaluationActivities({
  stores,
  retriever,
}: Pick<ActivityDependencies, 'stores' | 'retriever'>) {
  return {
    /** Asks those that were not asked yet, and keeps which documents each has found. */
    async askTestQuestions(input: EvaluateRetrievalInput): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, async (signal, report) => {
        await askAll({ stores, retriever }, input, { signal, report });
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
