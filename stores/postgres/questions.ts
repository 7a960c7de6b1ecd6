import type { ClosestDocument } from '../../domain/chat.ts';
import { answerQuestionDispatch, type Dispatch } from '../../domain/flows.ts';
import type { DocumentStatus } from '../../domain/ingestion.ts';
import type { Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { newId } from './ids.ts';

export type QuestionStore = ReturnType<typeof createQuestionStore>;

/** What somebody wrote to answer a question: the document, and the question asked again with it. */
export interface QuestionAnswer {
  documentId: string;
  documentStatus: DocumentStatus;
  /** Null until the document is ready. */
  turnId: string | null;
  createdAt: Date;
}

/** A question that was declined, however often and with whatever punctuation it was asked. */
export interface UnansweredQuestion {
  id: string;
  /** As it was asked last. */
  question: string;
  count: number;
  firstAskedAt: Date;
  lastAskedAt: Date;
  lastTurnId: string;
  closest: ClosestDocument[];
  answer: QuestionAnswer | null;
}

export function createQuestionStore(sql: Sql) {
  /** Groups of declined turns; `open` leaves out those that were not asked since somebody answered them. */
  const groups = (projectId: string, filter: { open: boolean; id?: string }) => sql`
    select g.*, last.question, last.closest, last.created_at as last_asked_at, first.created_at as first_asked_at,
      case when a.id is not null then jsonb_build_object('documentId', a.document_id, 'turnId', a.turn_id,
        'createdAt', a.created_at, 'documentStatus', v.status) end as answer
    from (select question_key(t.question) as id, count(*)::int as count,
        (array_agg(t.id order by t.id desc))[1] as last_turn_id, (array_agg(t.id order by t.id))[1] as first_turn_id
      from turns t join conversations c on c.id = t.conversation_id and not c.test
      where t.project_id = ${projectId} and t.status = 'declined'
      ${filter.id === undefined ? sql`` : sql`and question_key(t.question) = ${filter.id}`}
      group by 1) g
    join turns last on last.id = g.last_turn_id
    join turns first on first.id = g.first_turn_id
    left join lateral (select * from question_answers qa
      where qa.project_id = ${projectId} and qa.question_key = g.id order by created_at desc limit 1) a on true
    left join documents d on d.id = a.document_id
    left join document_versions v on v.document_id = d.id and v.version = d.latest_version
    where ${filter.open ? sql`(a.id is null or last.created_at > a.created_at)` : sql`true`}`;

  type Row = Omit<UnansweredQuestion, 'answer'> & {
    answer: (QuestionAnswer & { createdAt: string | Date }) | null;
  };
  const shown = ({ answer, ...rest }: Row): UnansweredQuestion => ({
    ...rest,
    answer: answer && { ...answer, createdAt: new Date(answer.createdAt) },
  });

  return {
    /** Those asked most often first. `after` is the last of the page before. */
    async unanswered(
      projectId: string,
      page: { limit: number; open: boolean; after?: { count: number; id: string } | undefined },
    ): Promise<UnansweredQuestion[]> {
      const rows = await sql<Row[]>`
        select * from (${groups(projectId, { open: page.open })}) as question
        ${page.after ? sql`where (count, id) < (${page.after.count}, ${page.after.id})` : sql``}
        order by count desc, id desc limit ${page.limit}`;
      return rows.map(shown);
    },

    async get(projectId: string, id: string): Promise<UnansweredQuestion | undefined> {
      const [row] = await sql<Row[]>`select * from (${groups(projectId, { open: false, id })}) as question`;
      return row && shown(row);
    },

    /** Writes down that a document answers a question, and that it is to be asked again once that is ready. */
    async answer(
      projectId: string,
      questionKey: string,
      documentId: string,
    ): Promise<{ dispatch: Dispatch | undefined }> {
      const questionId = newId();
      return await sql.begin(async (tx) => {
        const made = await tx`
          insert into question_answers (id, project_id, question_key, document_id)
          values (${questionId}, ${projectId}, ${questionKey}, ${documentId})
          on conflict (document_id) do nothing returning 1`;
        if (made.length === 0) return { dispatch: undefined };
        const dispatch = answerQuestionDispatch({ projectId, questionId });
        await insertDispatch(tx, dispatch);
        return { dispatch };
      });
    },

    /** What the workflow needs: whether the document is ready, and the turn to repeat. Undefined when all is gone. */
    async answering(
      projectId: string,
      questionId: string,
    ): Promise<
      { status: DocumentStatus; turnId: string | null; question: string; lastTurnId: string } | undefined
    > {
      const [row] = await sql<
        { status: DocumentStatus; turnId: string | null; question: string; lastTurnId: string }[]
      >`
        select v.status, a.turn_id, t.question, t.id as last_turn_id
        from question_answers a
        join documents d on d.id = a.document_id and d.deleted_at is null
        join document_versions v on v.document_id = d.id and v.version = d.latest_version
        join lateral (select id, question from turns where project_id = ${projectId} and status = 'declined'
          and question_key(question) = a.question_key order by id desc limit 1) t on true
        where a.project_id = ${projectId} and a.id = ${questionId}`;
      return row;
    },

    async askedAgain(projectId: string, questionId: string, turnId: string): Promise<void> {
      await sql`
        update question_answers set turn_id = ${turnId} where project_id = ${projectId} and id = ${questionId}`;
    },
  };
}
