import { turn as timing } from '../../domain/deadlines.ts';
import type { Query, Sql } from './client.ts';
import { addTokens, reserveTokens, type TokenLimits } from './token-budgets.ts';

export type SummaryStore = ReturnType<typeof createSummaryStore>;

/** What is said of a conversation before its newest turns, and the turns since. */
export interface Unsummarised {
  /** Null where there is no summary yet. */
  before: string | null;
  /** Turns that were answered or declined, oldest first. */
  turns: { position: number; question: string; reply: string }[];
}

export interface Summary {
  /** The position of the last turn that it takes in. */
  through: number;
  text: string;
  provider: string;
  model: string;
  promptTokens: number;
  completionTokens: number;
}

/** Turns looked at: of a longer stretch (a conversation from before there were summaries) the newest. */
const mostTurns = 40;
const mostCharacters = 4_000;
/** More than all tries of a summary take. */
const forgottenAfter = 5 * timing.summary;

export function createSummaryStore(sql: Sql) {
  return {
    async unsummarised(projectId: string, conversationId: string): Promise<Unsummarised> {
      const [row] = await sql<Unsummarised[]>`
        select s.summary as before, coalesce((
          select json_agg(json_build_object('position', t.position, 'question', t.question, 'reply', t.reply)
            order by t.position)
          from (select position, left(question, ${mostCharacters}) as question, left(reply, ${mostCharacters}) as reply
            from turns where project_id = ${projectId} and conversation_id = ${conversationId}
              and position > coalesce(s.through, 0) and status in ('answered', 'declined')
            order by position desc limit ${mostTurns}) t), '[]') as turns
        from (select 1) as one left join lateral (
          select through, summary from conversation_summaries
          where project_id = ${projectId} and conversation_id = ${conversationId}
          order by through desc limit 1) s on true`;
      return row!;
    },

    /**
     * Reserves tokens for a summary that a limited project's turn has made due. A try of which nothing is known keeps its
     * own. Throws TOKEN_LIMIT_EXCEEDED.
     */
    async reserve(projectId: string, turnId: string, tokens: number, limits: TokenLimits): Promise<void> {
      if (limits.tokenLimit === null && limits.monthlyTokenBudget === null) return;
      await sql.begin(async (tx) => {
        await releaseForgotten(tx, projectId);
        await reserveTokens(tx, projectId, { turnId, tokens, limits });
      });
    },

    /** Keeps a stretch's one summary, counts what it took, and gives the reservation back. */
    async save(projectId: string, conversationId: string, turnId: string, summary: Summary): Promise<void> {
      const { through, text, provider, model, promptTokens: prompt, completionTokens: completion } = summary;
      await sql.begin(async (tx) => {
        await tx`
          insert into conversation_summaries
            (conversation_id, through, project_id, summary, provider, model, prompt_tokens, completion_tokens)
          select id, ${through}, ${projectId}, ${text}, ${provider}, ${model}, ${prompt}, ${completion}
          from conversations where project_id = ${projectId} and id = ${conversationId}
          on conflict do nothing`;
        const lost = await release(tx, projectId, turnId, 1);
        await addTokens(tx, projectId, { prompt, completion, lost });
      });
    },

    /** Gives the reservation of a summary back that was not made; what a broken answer may have used is counted. */
    async withdraw(
      projectId: string,
      turnId: string,
      { usedNothing }: { usedNothing: boolean },
    ): Promise<void> {
      await sql.begin(async (tx) => {
        const lost = await release(tx, projectId, turnId, usedNothing ? 1 : 0);
        await addTokens(tx, projectId, { prompt: 0, completion: 0, lost });
      });
    },
  };
}

/** Whoever had reserved for a turn that ended so long ago was terminated: what it may have used is counted. */
async function releaseForgotten(tx: Query, projectId: string): Promise<void> {
  const [row] = await tx<{ lost: number }[]>`
    with forgotten as (
      delete from token_reservations r using turns t
      where r.project_id = ${projectId} and t.id = r.turn_id
        and t.finished_at < now() - ${forgottenAfter} * interval '1 millisecond'
      returning r.tokens * r.attempts as tokens)
    select coalesce(sum(tokens), 0)::int as lost from forgotten`;
  await addTokens(tx, projectId, { prompt: 0, completion: 0, lost: row!.lost });
}

/** Returns what was reserved for tries of which nothing is known. */
async function release(tx: Query, projectId: string, turnId: string, known: number): Promise<number> {
  const [row] = await tx<{ lost: number }[]>`
    delete from token_reservations where project_id = ${projectId} and turn_id = ${turnId}
    returning tokens * (attempts - ${known}::int) as lost`;
  return row?.lost ?? 0;
}
