import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { createApiClient, eventually } from './support/api-client.ts';
import { createSites, type SitePage, sentence, sitePage } from './support/crawled-site.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import { createSourceClient } from './support/sources.ts';

// Crawls that are paused, stopped, killed and scheduled.

let environment: TestEnvironment;
let api: ReturnType<typeof createApiClient>;
let sources: ReturnType<typeof createSourceClient>;
let apiUrl: string;
let key: string;
let worker: Awaited<ReturnType<TestEnvironment['startWorker']>>;
const sites = createSites();
const { site } = sites;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  const project = await environment.createProject();
  key = project.key;
  [{ url: apiUrl }, worker] = await Promise.all([environment.startApi(), startWorker()]);
  api = createApiClient(apiUrl, project.key);
  sources = createSourceClient(api);
});
const startWorker = () => environment.startWorker({ OUTBOUND_ALLOWED_RANGES: '127.0.0.1' });
afterAll(() => environment?.close());
afterEach(() => sites.close());

/** A site whose pages take a moment each, and come one after the other. */
const slowSite = (length: number, pageMs = 100) =>
  site(
    Object.fromEntries(
      Array.from({ length }, (_, n) => [
        n === 0 ? '/' : `/${n}`,
        {
          handle: async (_request, response) => {
            await setTimeout(pageMs);
            response.end(sitePage(`Page ${n}`, `${sentence}Number ${n}.`, [`/${n + 1}`]));
          },
        } satisfies SitePage,
      ]),
    ),
  );

test('pause, resume, progress as events, a second crawl refused', { timeout: 120_000 }, async () => {
  const { url, requests } = await slowSite(60);
  const sourceId = await sources.create({ url, maxDepth: 100 });
  await eventually(async () => (requests.length > 5 ? true : undefined));
  expect((await api.call('POST', `/sources/${sourceId}/crawl`)).json.code).toBe('CRAWL_RUNNING');
  expect((await api.call('POST', `/sources/${sourceId}/pause`)).status).toBe(202);
  await eventually(async () => {
    const { source } = (await api.call('GET', `/sources/${sourceId}`)).json;
    return source.crawl.status === 'paused' ? true : undefined;
  });
  const visited = requests.length;
  await setTimeout(500);
  expect(requests).toHaveLength(visited);
  const handle = environment.temporal.workflow.getHandle(`crawl/${sourceId}/1`);
  expect(await handle.query('progress')).toMatchObject({ run: 1, paused: true });

  const events = fetch(`${apiUrl}/sources/${sourceId}/events`, { headers: { 'x-api-key': key } });
  expect((await api.call('POST', `/sources/${sourceId}/resume`)).status).toBe(202);
  const crawl = await sources.crawlEnds(sourceId);
  expect(crawl).toMatchObject({ status: 'done', counts: { new: 60, failed: 1 } });
  const text = await (await events).text();
  expect(text).toMatch(/^event: progress\nid: 1\ndata: \{"run":1,"status":"paused"/);
  expect(text).toMatch(/event: done\nid: 1\ndata: \{"run":1,"status":"done".*\n\n$/);
  expect((await api.call('POST', `/sources/${sourceId}/pause`)).json.code).toBe('CRAWL_NOT_RUNNING');
});

test('a crawl with a long history continues under a new one', { timeout: 120_000 }, async () => {
  const { url } = await slowSite(60, 300);
  const sourceId = await sources.create({ url, maxDepth: 100, maxPages: 60 });
  const workflowId = `crawl/${sourceId}/1`;
  const handle = environment.temporal.workflow.getHandle(workflowId);
  const histories = async () => {
    const found: number[] = [];
    for await (const { historyLength } of environment.temporal.workflow.list({
      query: `WorkflowId = "${workflowId}"`,
    }))
      found.push(historyLength);
    return found;
  };
  // Every pause leaves some events.
  await eventually(async () => {
    await handle.signal('pause').catch(() => {});
    await handle.signal('resume').catch(() => {});
    // Not faster than people: what comes while the crawl looks at a page is history before it can be cut.
    await setTimeout(50);
    return (await histories()).length > 1 ? true : undefined;
  }, 60_000);
  expect(await sources.crawlEnds(sourceId)).toMatchObject({
    status: 'done',
    counts: { new: 60, waiting: 0 },
  });
  for (const events of await histories()) expect(events).toBeLessThan(600);
});

test('cancel, and what an operator terminates', { timeout: 120_000 }, async () => {
  const { url, requests } = await slowSite(300);
  const sourceId = await sources.create({ url, maxDepth: 100 });
  await eventually(async () => (requests.length > 3 ? true : undefined));
  expect((await api.call('POST', `/sources/${sourceId}/cancel`)).status).toBe(202);
  expect(await sources.crawlEnds(sourceId)).toMatchObject({
    status: 'cancelled',
    errorCode: 'CRAWL_CANCELLED',
  });

  await api.call('POST', `/sources/${sourceId}/crawl`);
  const handle = environment.temporal.workflow.getHandle(`crawl/${sourceId}/2`);
  await eventually(async () => ((await handle.describe().catch(() => undefined)) ? true : undefined));
  await handle.terminate('test');
  // Again and again: a step that was under way may still give a sign of life, and a sweep may just have looked.
  const { crawl } = await eventually(async () => {
    await environment.sql`
      update source_runs set updated_at = now() - interval '10 minutes', checked_at = null
      where source_id = ${sourceId} and run = 2 and status in ('queued', 'running')`;
    const { source } = (await api.call('GET', `/sources/${sourceId}`)).json;
    return source.crawl.finishedAt ? source : undefined;
  });
  expect(crawl).toMatchObject({
    run: 2,
    status: 'failed',
    errorCode: 'WORKFLOW_TERMINATED',
    errorMessage: 'An operator terminated the workflow. Crawl the source again.',
  });
});

test('a worker that is killed while it crawls loses nothing and doubles nothing', {
  timeout: 120_000,
}, async () => {
  const { url, requests } = await site(
    Object.fromEntries(
      Array.from({ length: 60 }, (_, n) => [
        n === 0 ? '/' : `/${n}`,
        sitePage(`Page ${n}`, `${sentence}Number ${n}.`, [`/${2 * n + 1}`, `/${2 * n + 2}`]),
      ]),
    ),
  );
  const sourceId = await sources.create({ url, delayMs: 20 });
  await eventually(async () => (requests.length > 20 ? true : undefined));
  worker.kill('SIGKILL');
  await worker.exited;
  worker = await startWorker();
  const crawl = await sources.crawlEnds(sourceId, 1, 60_000);
  expect(crawl).toMatchObject({ status: 'done', counts: { new: 60, failed: 61, waiting: 0 } });
  const { documents } = (await api.call('GET', '/documents?limit=200')).json;
  const crawled = documents.flatMap(({ source }: { source: string }) =>
    source.startsWith(url) ? [source] : [],
  );
  expect([crawled.length, new Set(crawled).size]).toEqual([60, 60]);
});

test('a schedule crawls again, is visible and can be paused; deleting the source removes all', {
  timeout: 120_000,
}, async () => {
  const { url } = await site({ '/': sitePage('Home', `${sentence}Scheduled.`) });
  const sourceId = await sources.create({ url, crawl: false, schedule: { everyMinutes: 60 } });
  const schedule = environment.temporal.schedule.getHandle(`crawl/${sourceId}`);
  const described = await eventually(async () => await schedule.describe().catch(() => undefined));
  expect(described.state.paused).toBe(false);
  expect(described.spec.intervals?.[0]?.every).toBe(3_600_000);
  await schedule.trigger();
  const crawl = await eventually(async () => {
    const { source } = (await api.call('GET', `/sources/${sourceId}`)).json;
    return source.crawl?.status === 'done' ? source.crawl : undefined;
  });
  expect(crawl).toMatchObject({ run: 1, trigger: 'schedule', counts: { new: 1 } });
  const [action] = (await schedule.describe()).info.recentActions;
  expect(action).toMatchObject({
    action: { workflow: { workflowId: expect.stringMatching(/^crawl\/.*\/scheduled-/) } },
  });

  await api.call('PATCH', `/sources/${sourceId}`, { schedule: { everyMinutes: 120, paused: true } });
  await eventually(async () => ((await schedule.describe()).state.paused ? true : undefined));
  expect((await schedule.describe()).spec.intervals?.[0]?.every).toBe(7_200_000);

  expect(Object.keys(await sources.documentsOf(url))).toEqual(['/']);
  expect((await api.call('DELETE', `/sources/${sourceId}`)).status).toBe(202);
  await eventually(async () => {
    const rows = await environment.sql`select 1 from sources where id = ${sourceId}`;
    return rows.length === 0 ? true : undefined;
  });
  await expect(schedule.describe()).rejects.toThrow();
  expect(Object.keys(await sources.documentsOf(url))).toEqual([]);
  expect((await api.call('GET', `/sources/${sourceId}`)).json.code).toBe('SOURCE_NOT_FOUND');
});
