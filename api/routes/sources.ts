import { Readable } from 'node:stream';
import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { type CrawlOrder, type Source, sourceSettings } from '../../domain/sources.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { App, AppDependencies } from '../app.ts';
import { actorOf } from '../plugins/access.ts';
import { idempotencyOf } from '../idempotency.ts';
import { crawlEvents } from '../source-events.ts';
import {
  changeBody,
  createBody,
  idParams,
  listQuery,
  oneSource,
  pageReply,
  pagesQuery,
  sourceReply,
} from './source-schemas.ts';

export function sourceRoutes(app: App, { stores, dispatcher, orderCrawl }: AppDependencies): void {
  const reads = { scope: 'documents', role: 'viewer' } as const;
  const writes = { scope: 'documents', role: 'editor' } as const;
  const tags = ['Sources'];

  const found = async (projectId: string, sourceId: string): Promise<Source> => {
    const source = isUuid(sourceId) ? await stores.sources.get(projectId, sourceId) : undefined;
    if (!source) throw new AppError('SOURCE_NOT_FOUND');
    return source;
  };
  const view = async (projectId: string, { settings, ...source }: Source) => ({
    ...source,
    ...settings,
    crawl: (await stores.sourceRuns.get(projectId, source.id)) ?? null,
  });
  const viewOf = async (projectId: string, sourceId: string) => ({
    source: await view(projectId, await found(projectId, sourceId)),
  });

  app.post(
    '/sources',
    {
      config: writes,
      schema: { tags, summary: 'Takes pages of the web in', body: createBody, response: { 202: oneSource } },
    },
    async (request, reply) => {
      const { kind, url, schedule, crawl, ...settings } = request.body;
      const { sourceId, dispatches } = await stores.sources.create(
        request.projectId,
        { kind, url, settings, schedule },
        { crawl, idempotency: idempotencyOf(request, 'sources') },
        actorOf(request),
      );
      for (const dispatch of dispatches) dispatcher.startSoon(dispatch);
      return reply.status(202).send(await viewOf(request.projectId, sourceId));
    },
  );

  app.get(
    '/sources',
    {
      config: reads,
      schema: {
        tags,
        summary: 'The sources of the project, newest first',
        querystring: listQuery,
        response: { 200: z.object({ sources: z.array(sourceReply), nextBefore: z.string().nullable() }) },
      },
    },
    async (request) => {
      const sources = await stores.sources.list(request.projectId, request.query);
      const last = sources.length === request.query.limit ? sources.at(-1) : undefined;
      const views = await Promise.all(sources.map((source) => view(request.projectId, source)));
      return { sources: views, nextBefore: last?.id ?? null };
    },
  );

  app.get(
    '/sources/:sourceId',
    {
      config: reads,
      schema: {
        tags,
        summary: 'A source and its last crawl',
        params: idParams,
        response: { 200: oneSource },
      },
    },
    async (request) => await viewOf(request.projectId, request.params.sourceId),
  );

  app.patch(
    '/sources/:sourceId',
    {
      config: writes,
      schema: {
        tags,
        summary: 'Changes limits, patterns, pace or schedule',
        params: idParams,
        body: changeBody,
        response: { 200: oneSource },
      },
    },
    async (request) => {
      const { sourceId } = request.params;
      const { settings } = await found(request.projectId, sourceId);
      const { schedule, ...changes } = request.body;
      const unchanged = Object.keys(changes).length === 0;
      const changed = await stores.sources.change(
        request.projectId,
        sourceId,
        { schedule, settings: unchanged ? undefined : sourceSettings.parse({ ...settings, ...changes }) },
        actorOf(request),
      );
      if (!changed) throw new AppError('SOURCE_NOT_FOUND');
      if (changed.dispatch) dispatcher.startSoon(changed.dispatch);
      return await viewOf(request.projectId, sourceId);
    },
  );

  app.delete(
    '/sources/:sourceId',
    {
      config: writes,
      schema: {
        tags,
        summary: 'Removes a source with its documents',
        params: idParams,
        response: { 202: z.object({ source: z.object({ id: z.string(), status: z.literal('deleted') }) }) },
      },
    },
    async (request, reply) => {
      const { sourceId } = request.params;
      await found(request.projectId, sourceId);
      const dispatch = await stores.sources.delete(request.projectId, sourceId, actorOf(request));
      if (!dispatch) throw new AppError('SOURCE_NOT_FOUND');
      dispatcher.startSoon(dispatch);
      return reply.status(202).send({ source: { id: sourceId, status: 'deleted' } });
    },
  );

  app.post(
    '/sources/:sourceId/crawl',
    {
      config: writes,
      schema: { tags, summary: 'Crawls a source now', params: idParams, response: { 202: oneSource } },
    },
    async (request, reply) => {
      const { sourceId } = request.params;
      await found(request.projectId, sourceId);
      const requested = await stores.sourceRuns.request(request.projectId, sourceId);
      if (!requested) throw new AppError('CRAWL_RUNNING');
      dispatcher.startSoon(requested.dispatch);
      return reply.status(202).send(await viewOf(request.projectId, sourceId));
    },
  );

  const orders: Record<CrawlOrder, string> = {
    pause: 'Pauses the crawl under way',
    resume: 'Lets a paused crawl go on',
    cancel: 'Stops the crawl under way; pages that were read stay',
  };
  for (const [order, summary] of Object.entries(orders) as [CrawlOrder, string][]) {
    app.post(
      `/sources/:sourceId/${order}`,
      { config: writes, schema: { tags, summary, params: idParams, response: { 202: oneSource } } },
      async (request, reply) => {
        const { sourceId } = request.params;
        await found(request.projectId, sourceId);
        const crawl = await stores.sourceRuns.underWay(request.projectId, sourceId);
        const told = crawl && (await orderCrawl({ ...crawl, begun: crawl.status !== 'queued' }, order));
        if (!told) throw new AppError('CRAWL_NOT_RUNNING');
        return reply.status(202).send(await viewOf(request.projectId, sourceId));
      },
    );
  }

  app.get(
    '/sources/:sourceId/pages',
    {
      config: reads,
      schema: {
        tags,
        summary: 'What became of each page, and why',
        params: idParams,
        querystring: pagesQuery,
        response: { 200: z.object({ pages: z.array(pageReply), nextAfter: z.string().nullable() }) },
      },
    },
    async (request) => {
      const { sourceId } = request.params;
      await found(request.projectId, sourceId);
      const pages = await stores.sourcePages.list(request.projectId, sourceId, request.query);
      const last = pages.length === request.query.limit ? pages.at(-1) : undefined;
      return { pages, nextAfter: last?.id ?? null };
    },
  );

  app.get(
    '/sources/:sourceId/events',
    {
      config: reads,
      schema: { tags, summary: 'Progress of the last crawl, as server-sent events', params: idParams },
    },
    async (request, reply) => {
      const { sourceId } = request.params;
      await found(request.projectId, sourceId);
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const crawl = await stores.sourceRuns.get(request.projectId, sourceId);
      const read = () => stores.sourceRuns.get(request.projectId, sourceId, crawl?.run);
      return reply
        .header('content-type', 'text/event-stream; charset=utf-8')
        .header('cache-control', 'no-store')
        .header('x-accel-buffering', 'no')
        .send(Readable.from(crawlEvents(read, gone.signal), { objectMode: false }));
    },
  );
}
