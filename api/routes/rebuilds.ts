import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { rebuildIndexDispatch } from '../../domain/flows.ts';
import { type EmbeddingModel, embeddingModelOf, embeddingProviders } from '../../domain/models.ts';
import { isBeforeSwitch, rebuildStatuses } from '../../domain/rebuilds.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { App, AppDependencies } from '../app.ts';
import { actorOf } from '../plugins/access.ts';

const beginBody = z.object({
  embeddingProvider: z.enum(embeddingProviders),
  embeddingModel: z.string().trim().min(1).max(200).nullable().default(null),
  embeddingDimensions: z.int().min(1).max(4096).nullable().default(null),
  tolerance: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('How much of the recall on the test questions may be lost.'),
  compare: z.boolean().default(true).describe('False switches without asking the test questions.'),
});
const model = z.object({
  provider: z.enum(embeddingProviders),
  model: z.string(),
  dimensions: z.int(),
}) satisfies z.ZodType<EmbeddingModel>;
const rebuild = z.object({
  id: z.string(),
  number: z.int(),
  status: z
    .enum(rebuildStatuses)
    .describe(
      'kept: recall fell, so the project keeps its model. done: the vectors from before are removed.',
    ),
  fromModel: model,
  toModel: model,
  tolerance: z.number().nullable(),
  doneDocuments: z.int(),
  totalDocuments: z.int().nullable(),
  evaluationBefore: z.string().nullable(),
  evaluationAfter: z.string().nullable(),
  recallBefore: z.number().nullable(),
  recallAfter: z.number().nullable(),
  waitingUntil: z.date().nullable(),
  message: z.string().nullable().describe('Why it waits, or how it ended.'),
  rollbackUntil: z.date().nullable(),
  createdAt: z.date(),
  switchedAt: z.date().nullable(),
  finishedAt: z.date().nullable(),
});
const one = z.object({ rebuild });
const params = z.object({ rebuildId: z.string() });
const tags = ['Retrieval quality'];
const schemas = {
  begin: {
    summary: 'Moves the project to another embedding model, if the test questions are answered as well',
    description:
      'Fills a second index while the first one answers, asks the test questions in both, and switches in one step. ' +
      'For a day it can be rolled back.',
    tags,
    body: beginBody,
    response: { 202: one },
  },
  list: {
    summary: 'Rebuilds, newest first',
    tags,
    querystring: z.object({ limit: z.coerce.number().int().min(1).max(200).default(50) }),
    response: { 200: z.object({ rebuilds: z.array(rebuild) }) },
  },
  get: { summary: 'How far a rebuild is, and how it ended', tags, params, response: { 200: one } },
  cancel: {
    summary: 'Stops a rebuild that has not switched; the project keeps its model',
    tags,
    params,
    response: { 202: one },
  },
  rollback: {
    summary: 'Goes back to the model from before, within a day of the switch',
    tags,
    params,
    response: { 202: one },
  },
};

/** Moving a project with its documents to another embedding model. */
export function rebuildRoutes(app: App, { stores, dispatcher }: AppDependencies): void {
  const reading = { scope: 'documents', role: 'viewer' } as const;
  const changing = { scope: 'documents', role: 'admin' } as const;
  const ordering = { ...changing, errors: ['REBUILD_NOT_FOUND', 'REBUILD_STATE'] } as const;

  const shown = async (projectId: string, rebuildId: string) => {
    const found = isUuid(rebuildId) ? await stores.rebuilds.get(projectId, rebuildId) : undefined;
    if (!found) throw new AppError('REBUILD_NOT_FOUND');
    return { rebuild: found };
  };

  app.post(
    '/retrieval/rebuilds',
    {
      config: { ...changing, errors: ['REBUILD_STATE', 'TEST_QUESTIONS_REQUIRED'] },
      schema: schemas.begin,
    },
    async (request, reply) => {
      const { projectId, body } = request;
      const { compare, tolerance, ...chosen } = body;
      const { rebuildId, dispatch } = await stores.rebuilds.begin(
        projectId,
        { model: embeddingModelOf({ ...chosen, provider: 'local' }), tolerance: compare ? tolerance : null },
        actorOf(request),
      );
      dispatcher.startSoon(dispatch);
      return reply.status(202).send(await shown(projectId, rebuildId));
    },
  );

  app.get('/retrieval/rebuilds', { config: reading, schema: schemas.list }, async (request) => ({
    rebuilds: await stores.rebuilds.list(request.projectId, request.query.limit),
  }));

  app.get(
    '/retrieval/rebuilds/:rebuildId',
    { config: { ...reading, errors: ['REBUILD_NOT_FOUND'] }, schema: schemas.get },
    async (request) => await shown(request.projectId, request.params.rebuildId),
  );

  const orders = { cancel: 'cancel', rollback: 'rollBack' } as const;
  for (const name of ['cancel', 'rollback'] as const) {
    app.post(
      `/retrieval/rebuilds/:rebuildId/${name}`,
      { config: ordering, schema: schemas[name] },
      async (request, reply) => {
        const { projectId, params } = request;
        const { rebuild: found } = await shown(projectId, params.rebuildId);
        const { id: rebuildId, number, status } = found;
        const fits = name === 'cancel' ? isBeforeSwitch(status) : status === 'switched';
        const dispatch = rebuildIndexDispatch({ projectId, rebuildId, number });
        if (!fits || !(await dispatcher.order(dispatch, orders[name]))) {
          const when = name === 'cancel' ? 'before it has switched' : 'within a day of its switch';
          const message = `A rebuild can be told to ${name} ${when}; this one is ${status}.`;
          throw new AppError('REBUILD_STATE', { message });
        }
        return reply.status(202).send(await shown(projectId, rebuildId));
      },
    );
  }
}
