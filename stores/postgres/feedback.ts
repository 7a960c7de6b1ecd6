import type { Feedback } from '../../domain/chat.ts';
import type { Sql } from './client.ts';
import { insertWebhookEvent } from './webhook-events.ts';

export type FeedbackStore = ReturnType<typeof createFeedbackStore>;

export function createFeedbackStore(sql: Sql) {
  return {
    /** Keeps what a visitor thinks of an answer now, or takes it back. */
    async put(projectId: string, turnId: string, feedback: Feedback | null): Promise<void> {
      const { rating = null, text = null } = feedback ?? {};
      await sql.begin(async (tx) => {
        const [turn] = await tx<{ conversationId: string }[]>`
          update turns set rating = ${rating}, feedback = ${text}
          where project_id = ${projectId} and id = ${turnId}
            and (rating, feedback) is distinct from (${rating}, ${text})
          returning conversation_id`;
        if (!turn || !feedback) return;
        const data = { turnId, conversationId: turn.conversationId, ...feedback };
        await insertWebhookEvent(tx, projectId, 'feedback.received', data);
      });
    },
  };
}
