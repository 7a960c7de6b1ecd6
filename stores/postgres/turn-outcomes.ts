import type { PendingQuery, Row } from 'postgres';
import type { TurnStatus } from '../../domain/chat.ts';
import { AppError } from '../../domain/errors.ts';
import { chatTurnDispatch, type Dispatch } from '../../domain/flows.ts';
import type { Query, Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { settleTokens } from './token-budgets.ts';
import { insertWebhookEvents } from './webhook-events.ts';

/** What is recorded of a turn now, and the dispatch of the conversation's next turn if one was queued. */
export interface FinishedTurn {
  status: TurnStatus;
  next: Dispatch | undefined;
  /** Undefined when it had been recorded before. Time from the question on, in milliseconds. */
  recorded:
    | { status: TurnStatus; answerMs: number; promptTokens: number; completionTokens: number }
    | undefined;
}

/** How a turn ends: a part of the turn store. */
export function turnOutcomes(sql: Sql) {
  /**
   * Ends a running turn once, as the statement `end` says, and counts its tokens; a turn that has ended stays as it is.
   * Then the conversation's next queued turn is running. The statements do not wait for one another's results, so they
   * travel together.
   */
  async function finish(
    projectId: string,
    turnId: string,
    end: (tx: Query) => PendingQuery<Row[]>,
  ): Promise<FinishedTurn> {
    return await sql.begin(async (tx) => {
      const [, settled, [turn], [next]] = await Promise.all([
        // A statement of its own: what comes after it sees the messages that were queued while this waited.
        tx`select 1 from conversations c join turns t on t.conversation_id = c.id
          where c.project_id = ${projectId} and t.id = ${turnId} for update of c`,
        tx`with ended as (${end(tx)} returning 1), ${settleTokens(tx, projectId, turnId)}`,
        tx<(NonNullable<FinishedTurn['recorded']> & { conversationId: string })[]>`
          select status, conversation_id, prompt_tokens, completion_tokens,
            (extract(epoch from finished_at - created_at) * 1000)::float8 as answer_ms
          from turns where project_id = ${projectId} and id = ${turnId}`,
        tx<{ id: string }[]>`
          update turns set status = 'running', started_at = now()
          where id = (select q.id from turns q join turns t on t.conversation_id = q.conversation_id
              where t.project_id = ${projectId} and t.id = ${turnId} and q.status = 'queued'
              order by q.position limit 1)
            and not exists (select 1 from turns r
              where r.conversation_id = turns.conversation_id and r.status = 'running')
          returning id`,
        insertWebhookEvents(tx, projectId, answeredEvent(tx, projectId, turnId)),
      ]);
      if (!turn) throw new AppError('TURN_NOT_FOUND');
      const { conversationId, ...outcome } = turn;
      const recorded = settled.count > 0 ? outcome : undefined;
      if (!next) return { status: turn.status, next: undefined, recorded };
      const dispatch = chatTurnDispatch({ projectId, conversationId, turnId: next.id });
      await insertDispatch(tx, dispatch);
      return { status: turn.status, next: dispatch, recorded };
    });
  }

  return {
    /** Records an attempt's draft as the turn's outcome. */
    async recordDraft(projectId: string, turnId: string, attempt: number): Promise<FinishedTurn> {
      return await finish(
        projectId,
        turnId,
        (tx) => tx`
          update turns t set status = a.outcome, reply = a.reply, sources = a.sources, closest = a.closest,
            confidence = a.confidence, prompt_tokens = a.prompt_tokens, completion_tokens = a.completion_tokens,
            attempt = a.attempt, finished_at = now()
          from turn_attempts a
          where t.project_id = ${projectId} and t.id = ${turnId} and t.status = 'running'
            and a.turn_id = t.id and a.attempt = ${attempt} and a.outcome is not null`,
      );
    },

    /** Records that the turn was stopped, with what its last attempt had said. */
    async recordCancelled(projectId: string, turnId: string): Promise<FinishedTurn> {
      return await finish(
        projectId,
        turnId,
        (tx) => tx`
          update turns t set status = 'cancelled', reply = coalesce(a.reply, ''), attempt = a.attempt,
            sources = coalesce(a.sources, '[]'), prompt_tokens = coalesce(a.prompt_tokens, 0),
            completion_tokens = coalesce(a.completion_tokens, 0), finished_at = now()
          from (select 1) as one left join lateral
            (select * from turn_attempts where turn_id = ${turnId} order by attempt desc limit 1) a on true
          where t.project_id = ${projectId} and t.id = ${turnId} and t.status = 'running'`,
      );
    },

    /** Records that a turn was stopped before it began; one that has begun stays as it is. */
    async cancelQueued(projectId: string, turnId: string): Promise<FinishedTurn> {
      return await finish(
        projectId,
        turnId,
        (tx) => tx`
          update turns set status = 'cancelled', finished_at = now()
          where project_id = ${projectId} and id = ${turnId} and status = 'queued'`,
      );
    },

    /** A turn that ran out of time says what went wrong with its last attempt, if something did. */
    async recordFailure(
      projectId: string,
      turnId: string,
      failure: { code: string; message: string },
    ): Promise<FinishedTurn> {
      return await finish(
        projectId,
        turnId,
        (tx) => tx`
          update turns t set status = 'failed', error_code = ${failure.code}, 
            error_message = ${failure.message} || case when ${failure.code} = 'TURN_DEADLINE' then coalesce(
              (select ' The last attempt: ' || a.error_message from turn_attempts a
                where a.turn_id = ${turnId} and a.error_message is not null
                order by a.attempt desc limit 1), '') else '' end,
            finished_at = now()
          where project_id = ${projectId} and id = ${turnId} and status = 'running'`,
      );
    },
  };
}

/** What webhooks are told when this transaction ended a turn with an answer, or without one. */
const answeredEvent = (tx: Query, projectId: string, turnId: string) => tx`
  select case t.status when 'answered' then 'turn.answered' else 'turn.unanswered' end as type,
    jsonb_build_object('turnId', t.id, 'conversationId', t.conversation_id, 'sessionId', c.session_id,
      'message', t.question, 'reply', t.reply, 'sources', t.sources, 'closest', t.closest,
      'confidence', t.confidence) as data
  from turns t join conversations c on c.id = t.conversation_id and not c.test
  where t.project_id = ${projectId} and t.id = ${turnId} and t.status in ('answered', 'declined')
    and t.finished_at = now()`;
