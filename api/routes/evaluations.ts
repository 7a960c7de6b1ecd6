import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { App, AppDependencies } from '../app.ts';

const questionBody = z.object({
  question: z.string().trim().min(1, 'must not be empty').max(8_000),
  expectedDocuments: z.array(z.uuid()).min(1).max(20),
});
const evaluateBody = z.object({
  depth: z.int().min(1).max(50).default(5).describe('How many documents of a search count as found.'),
});
const question = z.object({
  id: z.string(),
  question: z.string(),
  expectedDocuments: z.array(z.string()),
  createdAt: z.date(),
});
const evaluation = z.object({
  id: z.string(),
  status: z.enum(['queued', 'running', 'done', 'failed']),
  questions: z.int(),
  asked: z.int(),
  depth: z.int(),
  embeddingModel: z
    .string()
    .nullable()
    .describe("Of an evaluation in a rebuild: the model that was asked. Else the project's own."),
  recall: z.number().nullable().describe('Mean share of the expected documents that were found; 0 to 1.'),
  reciprocalRank: z.number().nullable().describe('Mean of 1 / rank of the first expected document; 0 to 1.'),
  errorMessage: z.string().nullable(),
  createdAt: z.date(),
  finishedAt: z.date().nullable(),
});
const result = z.object({
  question: z.string(),
  expectedDocuments: z.array(z.string()),
  foundDocuments: z.array(z.string()).nullable().describe('Best first; null until it was asked.'),
});

const tags = ['Retrieval quality'];
const schemas = {
  add: {
    summary: 'Adds a test question with the documents that should be found',
    tags,
    body: questionBody,
    response: { 201: z.object({ question }) },
  },
  questions: {
    summary: 'The test questions',
    tags,
    response: { 200: z.object({ questions: z.array(question) }) },
  },
  remove: {
    summary: 'Removes a test question; past evaluations keep it',
    tags,
    params: z.object({ questionId: z.string() }),
    response: { 200: z.object({ question: z.object({ id: z.string(), status: z.literal('deleted') }) }) },
  },
  evaluate: {
    summary: 'Asks all test questions and records how well the documents were found',
    tags,
    body: evaluateBody.nullish(),
    response: { 202: z.object({ evaluation }) },
  },
  list: {
    summary: 'Evaluations, newest first',
    tags,
    querystring: z.object({ limit: z.coerce.number().int().min(1).max(200).default(50) }),
    response: { 200: z.object({ evaluations: z.array(evaluation) }) },
  },
  get: {
    summary: 'An evaluation with what each question has found',
    tags,
    params: z.object({ evaluationId: z.string() }),
    response: { 200: z.object({ evaluation, results: z.array(result) }) },
  },
};

/** Test questions of a project, and how its retrieval does on them. */
export function evaluationRoutes(app: App, { stores, dispatcher }: AppDependencies): void {
  const reading = { scope: 'documents', role: 'viewer' } as const;
  const editing = { scope: 'documents', role: 'editor' } as const;

  const shown = async (projectId: string, evaluationId: string) => {
    const found = isUuid(evaluationId) ? await stores.evaluations.get(projectId, evaluationId) : undefined;
    if (!found) throw new AppError('EVALUATION_NOT_FOUND');
    return { evaluation: found };
  };

  app.post('/retrieval/questions', { config: editing, schema: schemas.add }, async (request, reply) => {
    const added = await stores.evaluations.addQuestion(request.projectId, request.body);
    return reply.status(201).send({ question: added });
  });

  app.get('/retrieval/questions', { config: reading, schema: schemas.questions }, async (request) => ({
    questions: await stores.evaluations.questions(request.projectId),
  }));

  app.delete(
    '/retrieval/questions/:questionId',
    { config: { ...editing, errors: ['TEST_QUESTION_NOT_FOUND'] }, schema: schemas.remove },
    async (request) => {
      const { questionId } = request.params;
      const removed = isUuid(questionId)
        ? await stores.evaluations.removeQuestion(request.projectId, questionId)
        : false;
      if (!removed) throw new AppError('TEST_QUESTION_NOT_FOUND');
      return { question: { id: questionId, status: 'deleted' as const } };
    },
  );

  app.post(
    '/retrieval/evaluate',
    { config: { ...editing, errors: ['TEST_QUESTIONS_REQUIRED'] }, schema: schemas.evaluate },
    async (request, reply) => {
      const { projectId, body } = request;
      const { evaluationId, dispatch } = await stores.evaluations.begin(projectId, body?.depth ?? 5);
      dispatcher.startSoon(dispatch);
      return reply.status(202).send(await shown(projectId, evaluationId));
    },
  );

  app.get('/retrieval/evaluations', { config: reading, schema: schemas.list }, async (request) => ({
    evaluations: await stores.evaluations.list(request.projectId, request.query.limit),
  }));

  app.get(
    '/retrieval/evaluations/:evaluationId',
    { config: { ...reading, errors: ['EVALUATION_NOT_FOUND'] }, schema: schemas.get },
    async (request) => {
      const { projectId, params } = request;
      const { evaluation } = await shown(projectId, params.evaluationId);
      return { evaluation, results: await stores.evaluations.results(projectId, evaluation.id) };
    },
  );
}
