import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import type { UnansweredQuestion } from '../../stores/postgres/questions.ts';
import type { App, AppDependencies } from '../app.ts';
import { idempotencyOf } from '../idempotency.ts';
import { closestDocument, documentStatus } from '../schemas.ts';

const questionSchema = z.object({
  id: z.string(),
  question: z.string(),
  count: z.number(),
  firstAskedAt: z.string(),
  lastAskedAt: z.string(),
  lastTurnId: z.string(),
  closest: z.array(closestDocument),
  answer: z
    .object({
      documentId: z.string(),
      documentStatus,
      turnId: z.string().nullable().describe('The question asked again, once the document was ready.'),
      createdAt: z.string(),
    })
    .nullable(),
});
/** The last row of a page: `<count>.<id>`. */
const cursor = z.string().transform((text, context) => {
  const [, count, id] = /^(\d{1,9})\.([0-9a-f]{32})$/.exec(text) ?? [];
  if (count && id) return { count: Number(count), id };
  context.addIssue('must be the `next` of the page before');
  return z.NEVER;
});

/** What visitors asked and the documents did not answer. */
export function questionRoutes(
  app: App,
  { stores, dispatcher }: Pick<AppDependencies, 'stores' | 'dispatcher'>,
): void {
  const tags = ['Conversations'];

  app.get(
    '/unanswered',
    {
      config: { scope: 'conversations', role: 'viewer' },
      schema: {
        tags,
        summary:
          'Declined questions with their counts, most frequent first; those answered since are left out',
        querystring: z.object({
          limit: z.coerce.number().int().min(1).max(200).default(50),
          after: cursor.optional(),
          all: z.stringbool().default(false).describe('Those that were answered since, too.'),
        }),
        response: { 200: z.object({ questions: z.array(questionSchema), next: z.string().nullable() }) },
      },
    },
    async ({ projectId, query }) => {
      const { limit, after, all } = query;
      const questions = await stores.questions.unanswered(projectId, { limit, after, open: !all });
      const last = questions.length === limit ? questions.at(-1) : undefined;
      return { questions: questions.map(view), next: last ? `${last.count}.${last.id}` : null };
    },
  );

  app.post(
    '/unanswered/:questionId/answer',
    {
      config: {
        scope: 'documents',
        role: 'editor',
        errors: ['QUESTION_NOT_FOUND', 'IDEMPOTENCY_KEY_REUSED'],
      },
      schema: {
        tags,
        summary: 'Make a document of the answer, and ask the question again once it is ready',
        params: z.object({ questionId: z.string() }),
        body: z.object({
          answer: z.string().trim().min(1, 'must not be empty').max(100_000),
          title: z.string().trim().min(1).max(200).optional(),
        }),
        response: {
          202: z.object({
            document: z.object({ id: z.string(), status: documentStatus }),
            question: questionSchema,
          }),
        },
      },
    },
    async (request, reply) => {
      const { projectId } = request;
      const { questionId } = request.params;
      const unanswered = await stores.questions.get(projectId, questionId);
      if (!unanswered) throw new AppError('QUESTION_NOT_FOUND');
      const { answer, title = unanswered.question.slice(0, 200) } = request.body;
      const { documentId, dispatch } = await stores.documents.accept(
        projectId,
        {
          title,
          source: 'unanswered question',
          metadata: { title, source: 'unanswered question' },
          mimeType: 'text/markdown',
          // The question is a heading: searches for the same words find the answer below it.
          bytes: Buffer.from(`# ${title}\n\n${answer}\n`),
        },
        idempotencyOf(request, `answer/${questionId}`),
      );
      if (dispatch) dispatcher.startSoon(dispatch);
      const again = await stores.questions.answer(projectId, questionId, documentId);
      if (again.dispatch) dispatcher.startSoon(again.dispatch);
      const question = await stores.questions.get(projectId, questionId);
      if (!question?.answer) throw new AppError('QUESTION_NOT_FOUND');
      const { documentStatus: status } = question.answer;
      return reply.status(202).send({ document: { id: documentId, status }, question: view(question) });
    },
  );
}

function view({ answer, ...question }: UnansweredQuestion): z.infer<typeof questionSchema> {
  return {
    ...question,
    firstAskedAt: question.firstAskedAt.toISOString(),
    lastAskedAt: question.lastAskedAt.toISOString(),
    answer: answer && { ...answer, createdAt: answer.createdAt.toISOString() },
  };
}
