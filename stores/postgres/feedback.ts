import type { Feedback } from '../../domain/chat.ts';
import type { Sql } from './client.ts';

export type FeedbackStore = ReturnType<typeof createFeedbackStore>;

export function createFeedbackStore(sql: Sql) {
  return {
    /** Keeps what a visitor thinks of an answer now, or takes it back. */
    async put(projectId: string, turnId: string, feedback: Feedback | null): Promise<void> {
      await sql`
        update turns set rating = ${feedback?.rating ?? null}, feedback = ${feedback?.text ?? null}
        where project_id = ${projectId} and id = ${turnId}`;
    },
  };
}
