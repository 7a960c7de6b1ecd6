import type { ClosestDocument, Source } from '../../domain/chat.ts';
import type { Sql } from './client.ts';
import { asJson } from './json.ts';
import { reserveRetry } from './token-budgets.ts';

/** What generation produced, kept with its attempt until the workflow records it as the turn's outcome. */
export interface Draft {
  outcome: 'answered' | 'declined' | 'cancelled';
  reply: string;
  sources: Source[];
  closest: ClosestDocument[];
  confidence: number | null;
  promptTokens: number;
  completionTokens: number;
  /** Why the model itself would not answer, where it said so. */
  refusal?: string | undefined;
}

/** One try at an answer, as operators see it. */
export interface TurnAttempt {
  attempt: number;
  provider: string;
  model: string | null;
  /** Null for one that was lost, or failed. */
  outcome: Draft['outcome'] | null;
  errorCode: string | null;
  errorMessage: string | null;
  /** Null where its use never became known. */
  promptTokens: number | null;
  completionTokens: number | null;
  createdAt: Date;
}

/** The tries at an answer: a part of the turn store. */
export function turnAttempts(sql: Sql) {
  /** Notes that an attempt has failed before it used a token, so that a retry need not reserve for it again. */
  async function attemptUsedNothing(projectId: string, turnId: string, attempt: number): Promise<void> {
    await sql`
      update turn_attempts set prompt_tokens = 0, completion_tokens = 0
      where project_id = ${projectId} and turn_id = ${turnId} and attempt = ${attempt} and outcome is null`;
  }

  return {
    /** Oldest first. */
    async attempts(projectId: string, turnId: string): Promise<TurnAttempt[]> {
      return await sql<TurnAttempt[]>`
        select attempt, provider, model, outcome, error_code, error_message, prompt_tokens, completion_tokens, created_at
        from turn_attempts where project_id = ${projectId} and turn_id = ${turnId} order by attempt`;
    },

    /** Begins the next attempt and returns its number, from 1. Throws TOKEN_LIMIT_EXCEEDED for a retry too many. */
    async beginAttempt(
      projectId: string,
      turnId: string,
      { provider, model }: { provider: string; model: string },
    ): Promise<number> {
      const [row] = await sql<{ attempt: number }[]>`
        insert into turn_attempts (turn_id, project_id, attempt, provider, model)
        select ${turnId}, ${projectId},
          coalesce((select max(attempt) from turn_attempts where turn_id = ${turnId}), 0) + 1, ${provider}, ${model}
        returning attempt`;
      const { attempt } = row!;
      if (attempt === 1) return attempt;
      try {
        await sql.begin((tx) => reserveRetry(tx, projectId, turnId));
      } catch (error) {
        await attemptUsedNothing(projectId, turnId, attempt);
        throw error;
      }
      return attempt;
    },

    /** Notes why an attempt gave no answer. */
    async failAttempt(
      projectId: string,
      turnId: string,
      attempt: number,
      failure: { code: string; message: string },
    ): Promise<void> {
      await sql`
        update turn_attempts set error_code = ${failure.code}, error_message = ${failure.message}
        where project_id = ${projectId} and turn_id = ${turnId} and attempt = ${attempt}`;
    },

    attemptUsedNothing,

    /** The number of the turn's last attempt, if that one has a whole answer as its draft. */
    async drafted(projectId: string, turnId: string): Promise<number | undefined> {
      const [last] = await sql<{ attempt: number; whole: boolean }[]>`
        select attempt, coalesce(outcome in ('answered', 'declined'), false) as whole from turn_attempts
        where project_id = ${projectId} and turn_id = ${turnId} order by attempt desc limit 1`;
      return last?.whole ? last.attempt : undefined;
    },

    async saveDraft(projectId: string, turnId: string, attempt: number, draft: Draft): Promise<void> {
      await sql`
        update turn_attempts set outcome = ${draft.outcome}, reply = ${draft.reply},
          sources = ${asJson(sql, draft.sources)}, closest = ${asJson(sql, draft.closest)},
          confidence = ${draft.confidence}, prompt_tokens = ${draft.promptTokens},
          completion_tokens = ${draft.completionTokens},
          error_code = ${draft.refusal === undefined ? null : 'CONTENT_REFUSED'},
          error_message = ${draft.refusal ?? null}
        where project_id = ${projectId} and turn_id = ${turnId} and attempt = ${attempt}`;
    },
  };
}
