import type { Frame, Source } from '../../domain/chat.ts';
import { eventually } from './api-client.ts';
import type { TestEnvironment, TestProject } from './environment.ts';

type Part = { type: 'token'; text: string } | { type: 'reset' } | { type: 'sources'; sources: Source[] };

/** Stands in for the worker and its model where a test decides what is said, and when. No worker may run. */
export function createPlayedAnswers({ sql, stores }: TestEnvironment, project: TestProject) {
  return {
    /** The turn that answers this question, once it has been accepted. */
    async begin(question: string) {
      const turnId = await eventually(async () => {
        const [row] = await sql<{ id: string }[]>`
          select id from turns where question = ${question} and status = 'running' order by created_at desc limit 1`;
        return row?.id;
      });
      const attempt = await stores.turns.beginAttempt(project.id, turnId, { provider: 'test', model: 'm' });
      let seq = 0;
      let said = '';
      const push = async (part: Part) => {
        if (part.type === 'token') said += part.text;
        if (part.type === 'reset') said = '';
        await stores.frames.append(project.id, turnId, [{ turnId, attempt, seq: seq++, ...part } as Frame]);
      };
      return {
        turnId,
        write: (text: string) => push({ type: 'token', text }),
        reset: () => push({ type: 'reset' }),
        async finish(sources: Source[] = [], outcome: 'answered' | 'cancelled' = 'answered'): Promise<void> {
          await stores.turns.saveDraft(project.id, turnId, attempt, {
            outcome,
            reply: said,
            sources,
            closest: [],
            confidence: 0.9,
            promptTokens: 1,
            completionTokens: 1,
          });
          await stores.turns.recordDraft(project.id, turnId, attempt);
          await stores.frames.notify(turnId);
        },
        async fail(message: string): Promise<void> {
          await stores.turns.recordFailure(project.id, turnId, { code: 'PROVIDER_FAILED', message });
          await stores.frames.notify(turnId);
        },
      };
    },
  };
}

export const source = (number: number, title: string, quote: string): Source => ({
  documentId: `00000000-0000-7000-8000-00000000000${number}`,
  title,
  heading: `${title} › Details`,
  quote,
  score: 0.9,
});
