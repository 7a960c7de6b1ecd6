import type { PendingQuery, Row } from 'postgres';
import type { ClosestDocument, Frame, PageHint, Source, Turn, TurnStatus } from '../../domain/chat.ts';
import { AppError } from '../../domain/errors.ts';
import { chatTurnDispatch, type Dispatch } from '../../domain/flows.ts';
import { type ProjectAccess, projectSettings } from '../../domain/projects.ts';
import { reservationOf } from '../../domain/usage.ts';
import type { VisitorClaims } from '../../domain/visitor-logins.ts';
import type { Query, Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { claimIdempotencyKey, type Idempotency } from './idempotency.ts';
import { newId } from './ids.ts';
import { takeLeadAnswer } from './leads.ts';
import { asJson } from './json.ts';
import { sealedKeys } from './projects.ts';
import { insertWebhookEvent, insertWebhookEvents } from './webhook-events.ts';
import { reserveRetry, reserveTokens, settleTokens } from './token-budgets.ts';

export type TurnStore = ReturnType<typeof createTurnStore>;

export interface NewTurn {
  message: string;
  /**
   * Continue this conversation, or the one of this client-chosen session, or begin a new one; or ask a turn's question
   * again to see what is answered now, apart from what visitors asked.
   */
  conversation: { id: string } | { sessionId: string } | 'new' | { repeats: string };
  page?: PageHint | undefined;
  /** Who asks, as the page says; kept with the turn, and shown to no model. */
  claims?: VisitorClaims | undefined;
  /** Who asks, where an address was verified: their answers are counted. */
  leadId?: string;
}

export interface AcceptedTurn {
  turnId: string;
  conversationId: string;
  /** Undefined when the turn is queued behind another, or is the first result of a repeated call. */
  dispatch: Dispatch | undefined;
}

/** What is recorded of a turn now, and the dispatch of the conversation's next turn if one was queued. */
export interface FinishedTurn {
  status: TurnStatus;
  next: Dispatch | undefined;
  /** Undefined when it had been recorded before. Time from the question on, in milliseconds. */
  recorded:
    | { status: TurnStatus; answerMs: number; promptTokens: number; completionTokens: number }
    | undefined;
}

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

/** A turn as those see it who answer it. */
export interface TurnToAnswer {
  status: TurnStatus;
  question: string;
  page: PageHint | null;
  /** What an earlier try of the search has made of the question. */
  searchQuery: string | null;
  /** Earlier turns of the conversation that were answered or declined, oldest first. */
  history: { question: string; reply: string }[];
  access: ProjectAccess;
}

/** As many earlier turns, and as much of each, as a prompt could hold. */
const earlierTurns = 8;
const earlierLength = 4_000;

export function createTurnStore(sql: Sql) {
  const columns = sql`
    id, conversation_id, status, question, reply, sources, closest, confidence, prompt_tokens, completion_tokens,
    error_code, error_message, attempt, created_at, finished_at,
    case when rating is not null then jsonb_build_object('rating', rating, 'text', feedback) end as feedback`;

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

  /** Notes that an attempt has failed before it used a token, so that a retry need not reserve for it again. */
  async function attemptUsedNothing(projectId: string, turnId: string, attempt: number): Promise<void> {
    await sql`
      update turn_attempts set prompt_tokens = 0, completion_tokens = 0
      where project_id = ${projectId} and turn_id = ${turnId} and attempt = ${attempt} and outcome is null`;
  }

  return {
    /**
     * Takes a message in: conversation, turn and dispatch, or nothing. A turn whose conversation is busy is queued.
     * Throws CONVERSATION_NOT_FOUND, IDEMPOTENCY_KEY_REUSED and, where the project has a limit, TOKEN_LIMIT_EXCEEDED and
     * ASSISTANT_MESSAGE_LIMIT_REACHED.
     */
    async accept(
      projectId: string,
      turn: NewTurn,
      idempotency: Idempotency | undefined,
    ): Promise<AcceptedTurn> {
      const turnId = newId();
      return await sql.begin(async (tx) => {
        if (idempotency) {
          const first = await claimIdempotencyKey(tx, projectId, idempotency, turnId);
          if (first)
            return {
              turnId: first,
              conversationId: await conversationOf(tx, projectId, first),
              dispatch: undefined,
            };
        }
        const { id: conversationId, started } = await lockConversation(tx, projectId, turn.conversation);
        if (turn.leadId && !(await takeLeadAnswer(tx, projectId, turn.leadId, conversationId))) {
          throw new AppError('ASSISTANT_MESSAGE_LIMIT_REACHED');
        }
        const repeats =
          typeof turn.conversation === 'object' && 'repeats' in turn.conversation
            ? turn.conversation.repeats
            : null;
        const [[row]] = await Promise.all([
          tx<{ status: TurnStatus; limited: unknown }[]>`
            insert into turns (id, project_id, conversation_id, position, status, question, page, started_at, repeats)
            select ${turnId}, ${projectId}, ${conversationId},
              coalesce((select max(position) from turns where conversation_id = ${conversationId}), 0) + 1,
              case when busy then 'queued' else 'running' end, ${turn.message},
              ${pageOf(tx, turn)}::jsonb,
              case when busy then null else now() end, ${repeats}::uuid
            from (select exists (select 1 from turns
              where conversation_id = ${conversationId} and status in ('queued', 'running')) as busy) as conversation
            returning status, (select settings from projects p where p.id = ${projectId}
              and coalesce(p.settings->>'tokenLimit', p.settings->>'monthlyTokenBudget') is not null) as limited`,
          started && repeats === null
            ? insertWebhookEvent(tx, projectId, 'conversation.started', {
                conversationId,
                sessionId: sessionOf(turn.conversation),
              })
            : undefined,
        ]);
        if (row!.limited !== null) {
          const limits = projectSettings.parse(row!.limited);
          const tokens = reservationOf(turn.message, limits);
          await reserveTokens(tx, projectId, { turnId, tokens, limits });
        }
        if (row!.status === 'queued') return { turnId, conversationId, dispatch: undefined };
        const dispatch = chatTurnDispatch({ projectId, conversationId, turnId });
        await insertDispatch(tx, dispatch);
        return { turnId, conversationId, dispatch };
      });
    },

    async get(projectId: string, turnId: string): Promise<Turn | undefined> {
      const [row] = await sql<Turn[]>`
        select ${columns} from turns where project_id = ${projectId} and id = ${turnId}`;
      return row;
    },

    /** The newest `limit` turns of a conversation, oldest first. */
    async ofConversation(projectId: string, conversationId: string, limit: number): Promise<Turn[]> {
      const rows = await sql<Turn[]>`
        select ${columns} from turns where project_id = ${projectId} and conversation_id = ${conversationId}
        order by position desc limit ${limit}`;
      return rows.reverse();
    },

    /** The turn's status and the live frames of its newest attempt after a position, in order. */
    async follow(
      projectId: string,
      turnId: string,
      after: { attempt: number; seq: number },
    ): Promise<{ status: TurnStatus; frames: Frame[] } | undefined> {
      const [row] = await sql<{ status: TurnStatus; frames: Frame[] }[]>`
        select t.status, coalesce(
          (select json_agg(f.frame order by f.seq) from frames f
            where f.project_id = t.project_id and f.turn_id = t.id
              and (f.attempt, f.seq) > (${after.attempt}, ${after.seq})
              and f.attempt = (select max(attempt) from frames where turn_id = t.id)), '[]') as frames
        from turns t where t.project_id = ${projectId} and t.id = ${turnId}`;
      return row;
    },

    /** All that answering the turn takes, in one question: what was asked, what came before, and the project's models. */
    async forGeneration(projectId: string, turnId: string): Promise<TurnToAnswer> {
      const [row] = await sql<(Omit<TurnToAnswer, 'access'> & ProjectAccess)[]>`
        select t.status, t.question, nullif(t.page - 'visitor', '{}') as page,
          coalesce(t.search_query, (select o.search_query from turns o where o.id = t.repeats)) as search_query,
          p.id as project_id, p.settings,
          ${sealedKeys(sql)} as keys,
          coalesce((select json_agg(json_build_object('question', h.question, 'reply', h.reply) order by h.position)
            from (select e.position, left(e.question, ${earlierLength}) as question,
                left(e.reply, ${earlierLength}) as reply
              from turns e where e.conversation_id = t.conversation_id and e.position < t.position
                and e.status in ('answered', 'declined')
              order by e.position desc limit ${earlierTurns}) h), '[]') as history
        from turns t join projects p on p.id = t.project_id
        where t.project_id = ${projectId} and t.id = ${turnId}`;
      if (!row) throw new Error(`turn ${turnId} does not exist`);
      const { settings, keys, ...turn } = row;
      return { ...turn, access: { projectId, settings: projectSettings.parse(settings), keys } };
    },

    /** Notes what was searched for, where that is not the question as it was asked. */
    async searchedFor(projectId: string, turnId: string, query: string): Promise<void> {
      await sql`update turns set search_query = ${query} where project_id = ${projectId} and id = ${turnId}`;
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

const sessionOf = (conversation: NewTurn['conversation']): string | null =>
  typeof conversation === 'object' && 'sessionId' in conversation ? conversation.sessionId : null;

/** What the page told with the question. */
function pageOf(tx: Query, { page, claims }: NewTurn) {
  return page || claims ? asJson(tx, { ...page, ...(claims ? { visitor: claims } : {}) }) : null;
}

/** Locks the conversation until the transaction ends, so that its turns get their order and status one by one. */
async function lockConversation(
  tx: Query,
  projectId: string,
  conversation: NewTurn['conversation'],
): Promise<{ id: string; started: boolean }> {
  if (typeof conversation === 'object' && 'id' in conversation) {
    const [row] = await tx<{ id: string }[]>`
      select id from conversations where project_id = ${projectId} and id = ${conversation.id} for update`;
    if (!row) throw new AppError('CONVERSATION_NOT_FOUND');
    return { id: row.id, started: false };
  }
  const test = typeof conversation === 'object' && 'repeats' in conversation;
  const [row] = await tx<{ id: string; started: boolean }[]>`
    insert into conversations (id, project_id, session_id, test)
    values (${newId()}, ${projectId}, ${sessionOf(conversation)}, ${test})
    on conflict (project_id, session_id) do update set session_id = excluded.session_id
    returning id, xmax = 0 as started`;
  return row!;
}

async function conversationOf(tx: Query, projectId: string, turnId: string): Promise<string> {
  const [row] = await tx<{ conversationId: string }[]>`
    select conversation_id from turns where project_id = ${projectId} and id = ${turnId}`;
  return row!.conversationId;
}
