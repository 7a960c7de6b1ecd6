import type { PageHint, TurnStatus } from '../../domain/chat.ts';
import { AppError } from '../../domain/errors.ts';
import { chatTurnDispatch, type Dispatch } from '../../domain/flows.ts';
import { projectSettings } from '../../domain/projects.ts';
import { reservationOf } from '../../domain/usage.ts';
import type { VisitorClaims } from '../../domain/visitor-logins.ts';
import type { Query, Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { claimIdempotencyKey, type Idempotency } from './idempotency.ts';
import { newId } from './ids.ts';
import { asJson } from './json.ts';
import { takeLeadAnswer } from './leads.ts';
import { reserveTokens } from './token-budgets.ts';
import { insertWebhookEvent } from './webhook-events.ts';

export interface NewTurn {
  message: string;
  /**
   * Continue this conversation, or the one of this client-chosen session, or begin a new one; or ask a turn's question
   * again to see what is answered now, apart from what visitors asked.
   */
  conversation: { id: string } | { sessionId: string } | 'new' | { repeats: string };
  page?: PageHint | undefined;
  /** Of the page, where pages are known by it. */
  host?: string | undefined;
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

/** How a message becomes a turn: a part of the turn store. */
export function turnAcceptance(sql: Sql) {
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
  };
}

const sessionOf = (conversation: NewTurn['conversation']): string | null =>
  typeof conversation === 'object' && 'sessionId' in conversation ? conversation.sessionId : null;

/** What the page told with the question. */
function pageOf(tx: Query, { page, claims, host }: NewTurn) {
  if (!page && !claims && !host) return null;
  return asJson(tx, { ...page, ...(claims ? { visitor: claims } : {}), ...(host ? { host } : {}) });
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
