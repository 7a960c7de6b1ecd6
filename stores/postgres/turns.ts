import type { Frame, PageHint, Turn, TurnStatus } from '../../domain/chat.ts';
import { type ProjectAccess, projectSettings } from '../../domain/projects.ts';
import { turnsInFull } from '../../domain/summaries.ts';
import type { Usage } from '../../domain/usage.ts';
import type { Sql } from './client.ts';
import { sealedKeys } from './projects.ts';
import { turnAcceptance } from './turn-acceptance.ts';
import { turnAttempts } from './turn-attempts.ts';
import { turnOutcomes } from './turn-outcomes.ts';

export type TurnStore = ReturnType<typeof createTurnStore>;

/** A turn as those see it who answer it. */
export interface TurnToAnswer {
  status: TurnStatus;
  question: string;
  page: (PageHint & { host?: string }) | null;
  /** What an earlier try of the search has made of the question. */
  searchQuery: string | null;
  /** What was said before `history`; null where that is all. */
  summary: string | null;
  /** Earlier turns of the conversation that were answered or declined, oldest first. */
  history: { question: string; reply: string }[];
  access: ProjectAccess;
}

/** As much of each earlier turn as a prompt could hold. */
const earlierLength = 4_000;

export function createTurnStore(sql: Sql) {
  const columns = sql`
    id, conversation_id, status, question, reply, sources, closest, confidence, prompt_tokens, completion_tokens,
    error_code, error_message, attempt, created_at, finished_at,
    case when status = 'declined' then (
      select case when p.settings->'leads'->>'mode' = 'unanswered' then jsonb_build_object('type', 'lead')
        when p.settings->>'contactEmail' <> ''
          then jsonb_build_object('type', 'email', 'email', p.settings->>'contactEmail') end
      from projects p where p.id = turns.project_id) end as offer,
    case when rating is not null then jsonb_build_object('rating', rating, 'text', feedback) end as feedback`;

  return {
    ...turnAcceptance(sql),
    ...turnAttempts(sql),
    ...turnOutcomes(sql),

    async get(projectId: string, turnId: string): Promise<Turn | undefined> {
      const [row] = await sql<Turn[]>`
        select ${columns} from turns where project_id = ${projectId} and id = ${turnId}`;
      return row;
    },

    async status(projectId: string, turnId: string): Promise<TurnStatus | undefined> {
      const [row] = await sql<{ status: TurnStatus }[]>`
        select status from turns where project_id = ${projectId} and id = ${turnId}`;
      return row?.status;
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
          p.id as project_id, p.settings, s.summary,
          ${sealedKeys(sql)} as keys,
          coalesce((select json_agg(json_build_object('question', h.question, 'reply', h.reply) order by h.position)
            from (select e.position, left(e.question, ${earlierLength}) as question,
                left(e.reply, ${earlierLength}) as reply
              from turns e where e.conversation_id = t.conversation_id and e.position < t.position
                and e.position > coalesce(s.through, 0) and e.status in ('answered', 'declined')
              order by e.position desc limit ${turnsInFull}) h), '[]') as history
        from turns t join projects p on p.id = t.project_id
        left join lateral (select summary, through from conversation_summaries
          where conversation_id = t.conversation_id and through < t.position
          order by through desc limit 1) s on true
        where t.project_id = ${projectId} and t.id = ${turnId}`;
      if (!row) throw new Error(`turn ${turnId} does not exist`);
      const { settings, keys, ...turn } = row;
      return { ...turn, access: { projectId, settings: projectSettings.parse(settings), keys } };
    },

    /** Notes what was searched for (null: the question as it was asked), and adds what a model took to say so. */
    async searchedFor(projectId: string, turnId: string, query: string | null, usage: Usage): Promise<void> {
      await sql`
        update turns set search_query = ${query},
          rewrite_prompt_tokens = rewrite_prompt_tokens + ${usage.promptTokens},
          rewrite_completion_tokens = rewrite_completion_tokens + ${usage.completionTokens}
        where project_id = ${projectId} and id = ${turnId}`;
    },
  };
}
