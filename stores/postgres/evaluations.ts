import { AppError } from '../../domain/errors.ts';
import { type Dispatch, evaluateRetrievalDispatch } from '../../domain/flows.ts';
import type { Query, Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { newId, uuids } from './ids.ts';

export interface TestQuestion {
  id: string;
  question: string;
  expectedDocuments: string[];
  createdAt: Date;
}

export interface Evaluation {
  id: string;
  status: 'queued' | 'running' | 'done' | 'failed';
  questions: number;
  asked: number;
  depth: number;
  /** Of an evaluation that compared two models: the one that was asked. Else the project's own. */
  embeddingModel: string | null;
  /** The mean share of a question's expected documents that were found. */
  recall: number | null;
  /** The mean of 1 / the rank of the first expected document; 0 where none was found. */
  reciprocalRank: number | null;
  errorMessage: string | null;
  createdAt: Date;
  finishedAt: Date | null;
}

export interface EvaluationResult {
  question: string;
  expectedDocuments: string[];
  foundDocuments: string[] | null;
}

/** Throws TEST_QUESTIONS_REQUIRED without any. */
async function insertEvaluation(
  tx: Query,
  projectId: string,
  { id, depth, embeddingModel }: { id: string; depth: number; embeddingModel: string | null },
): Promise<void> {
  await tx`
    insert into evaluations (id, project_id, status, questions, depth, embedding_model)
    values (${id}, ${projectId}, 'queued', 0, ${depth}, ${embeddingModel})`;
  const questions = await tx`
    insert into evaluation_results (evaluation_id, project_id, ordinal, question, expected_documents)
    select ${id}, project_id, row_number() over (order by created_at, id) - 1, question, expected_documents
    from test_questions where project_id = ${projectId} returning 1`;
  if (questions.length === 0) throw new AppError('TEST_QUESTIONS_REQUIRED');
  await tx`update evaluations set questions = ${questions.length} where id = ${id}`;
}

/** A project's test questions, and how retrieval has done on them over time. */
export function createEvaluationStore(sql: Sql) {
  const columns = sql`
    e.id, e.status, e.questions, e.depth, e.embedding_model, e.recall, e.reciprocal_rank, e.error_message, e.created_at, e.finished_at,
    (select count(*)::int from evaluation_results r
      where r.evaluation_id = e.id and r.found_documents is not null) as asked`;

  return {
    async addQuestion(
      projectId: string,
      question: { question: string; expectedDocuments: readonly string[] },
    ): Promise<TestQuestion> {
      const [row] = await sql<TestQuestion[]>`
        insert into test_questions (id, project_id, question, expected_documents)
        values (${newId()}, ${projectId}, ${question.question},
          ${uuids(sql, question.expectedDocuments)})
        returning id, question, expected_documents, created_at`;
      return row!;
    },

    async questions(projectId: string): Promise<TestQuestion[]> {
      return await sql<TestQuestion[]>`
        select id, question, expected_documents, created_at from test_questions
        where project_id = ${projectId} order by created_at, id`;
    },

    /** False where there is none. */
    async removeQuestion(projectId: string, questionId: string): Promise<boolean> {
      const removed = await sql`
        delete from test_questions where project_id = ${projectId} and id = ${questionId} returning 1`;
      return removed.length > 0;
    },

    /** Begins an evaluation of the questions that there are now. Throws TEST_QUESTIONS_REQUIRED without any. */
    async begin(projectId: string, depth: number): Promise<{ evaluationId: string; dispatch: Dispatch }> {
      return await sql.begin(async (tx) => {
        const evaluationId = newId();
        await insertEvaluation(tx, projectId, { id: evaluationId, depth, embeddingModel: null });
        const dispatch = evaluateRetrievalDispatch({ projectId, evaluationId });
        await insertDispatch(tx, dispatch);
        return { evaluationId, dispatch };
      });
    },

    /** The evaluation of one model in a rebuild, begun once. Its caller asks the questions. */
    async beginOf(
      projectId: string,
      evaluation: { id: string; depth: number; embeddingModel: string },
    ): Promise<void> {
      await sql.begin(async (tx) => {
        const [known] = await tx`
          select 1 from evaluations where project_id = ${projectId} and id = ${evaluation.id}`;
        if (!known) await insertEvaluation(tx, projectId, evaluation);
      });
    },

    async get(projectId: string, evaluationId: string): Promise<Evaluation | undefined> {
      const [row] = await sql<Evaluation[]>`
        select ${columns} from evaluations e where e.project_id = ${projectId} and e.id = ${evaluationId}`;
      return row;
    },

    /** Newest first. */
    async list(projectId: string, limit: number): Promise<Evaluation[]> {
      return await sql<Evaluation[]>`
        select ${columns} from evaluations e where e.project_id = ${projectId}
        order by e.created_at desc, e.id desc limit ${limit}`;
    },

    async results(projectId: string, evaluationId: string): Promise<EvaluationResult[]> {
      return await sql<EvaluationResult[]>`
        select question, expected_documents, found_documents from evaluation_results
        where project_id = ${projectId} and evaluation_id = ${evaluationId} order by ordinal`;
    },

    /** The next question that was not asked yet. */
    async nextQuestion(
      projectId: string,
      evaluationId: string,
    ): Promise<{ ordinal: number; question: string; depth: number } | undefined> {
      const [row] = await sql<{ ordinal: number; question: string; depth: number }[]>`
        select r.ordinal, r.question, e.depth from evaluation_results r join evaluations e on e.id = r.evaluation_id
        where r.project_id = ${projectId} and r.evaluation_id = ${evaluationId} and r.found_documents is null
        order by r.ordinal limit 1`;
      return row;
    },

    async found(
      projectId: string,
      evaluationId: string,
      ordinal: number,
      documents: readonly string[],
    ): Promise<void> {
      await sql`
        with found as (
          update evaluation_results set found_documents = ${uuids(sql, documents)}
          where project_id = ${projectId} and evaluation_id = ${evaluationId} and ordinal = ${ordinal})
        update evaluations set status = 'running' where id = ${evaluationId} and status = 'queued'`;
    },

    /** Records the scores, or the failure. A recorded end stays. */
    async end(projectId: string, evaluationId: string, failure: string | null): Promise<void> {
      await sql`
        update evaluations e set status = ${failure === null ? 'done' : 'failed'}, error_message = ${failure},
          finished_at = now(), recall = scores.recall, reciprocal_rank = scores.reciprocal_rank
        from (
          select avg(
              (select count(*) from unnest(expected_documents) x where x = any(found_documents))::float8
                / greatest(cardinality(expected_documents), 1)) as recall,
            avg(coalesce((select 1.0 / min(rank) from unnest(found_documents) with ordinality f(document, rank)
              where document = any(expected_documents)), 0)::float8) as reciprocal_rank
          from evaluation_results
          where project_id = ${projectId} and evaluation_id = ${evaluationId} and ${failure === null}) as scores
        where e.project_id = ${projectId} and e.id = ${evaluationId} and e.status in ('queued', 'running')`;
    },
  };
}
