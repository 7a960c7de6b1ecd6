import { setTimeout } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import { type SitePage, sitePage, startSite } from './support/crawled-site.ts';

// A website on this machine is crawled by the real worker, and changes under it.

let environment: TestEnvironment;
let api: ReturnType<typeof createApiClient>;
let apiUrl: string;
let key: string;
let worker: Awaited<ReturnType<TestEnvironment['startWorker']>>;
const sites: { close: () => Promise<void> }[] = [];

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  ({ key } = await environment.createProject());
  [{ url: apiUrl }, worker] = await Promise.all([environment.startApi(), startWorker()]);
  api = createApiClient(apiUrl, key);
});
const startWorker = () => environment.startWorker({ OUTBOUND_ALLOWED_RANGES: '127.0.0.1' });
afterAll(() => environment?.close());
afterEach(async () => {
  for (const site of sites.splice(0)) await site.close();
});

const sentence = 'Everything that the lamp shop sells can be looked at in the old mill by the river. ';

async function site(pages: Record<string, SitePage | string>) {
  const started = await startSite((path) => {
    const page = pages[path];
    return typeof page === 'string' ? { body: page } : page;
  });
  sites.push(started);
  return { ...started, pages };
}

async function create(body: object): Promise<string> {
  const answer = await api.call('POST', '/sources', { delayMs: 0, ...body });
  expect(answer.status, answer.text).toBe(202);
  return answer.json.source.id;
}

async function crawlEnds(sourceId: string, run = 1, withinMs = 40_000) {
  return await eventually(async () => {
    const { source } = (await api.call('GET', `/sources/${sourceId}`)).json;
    const open = ['queued', 'running', 'paused'].includes(source.crawl.status);
    return source.crawl.run >= run && !open ? source.crawl : undefined;
  }, withinMs);
}

async function crawlAgain(sourceId: string) {
  const answer = await api.call('POST', `/sources/${sourceId}/crawl`);
  expect(answer.status, answer.text).toBe(202);
  return await crawlEnds(sourceId, answer.json.source.crawl.run);
}

/** What became of each page, by its path. */
async function outcomes(sourceId: string, url: string): Promise<Record<string, string>> {
  const { pages } = (await api.call('GET', `/sources/${sourceId}/pages?limit=1000`)).json;
  return Object.fromEntries(
    pages.map((page: { url: string; state: string; reason: string | null }) => [
      page.url.replace(url, ''),
      page.reason ? `${page.state}: ${page.reason.replaceAll(url, '')}` : page.state,
    ]),
  );
}

async function documentsOf(url: string) {
  const { documents } = (await api.call('GET', '/documents?limit=200')).json;
  const own = documents.filter((document: { source: string }) => document.source.startsWith(url));
  return Object.fromEntries(
    await Promise.all(
      own.map(async (document: { id: string; source: string }) => [
        document.source.replace(url, ''),
        await api.ready(document.id),
      ]),
    ),
  );
}

test('a site: every page becomes a document, is left out with a reason, or fails with one', {
  timeout: 120_000,
}, async () => {
  let overloaded = 0;
  const {
    url,
    requests,
    pages: served,
  } = await site({
    '/robots.txt': { body: 'User-agent: *\nDisallow: /private\nSitemap: /map.xml', type: 'text/plain' },
    '/': sitePage('Home', `${sentence}Welcome.`, [
      ...[
        '/returns',
        '/loop/a',
        '/private/x',
        '/nope',
        '/old',
        '/print?page=1',
        '/copy',
        '/again',
        '/hidden',
      ],
      ...[
        '/app',
        '/broken',
        '/busy',
        '/logo.png',
        '/terms.txt',
        '/calendar/1',
        'http://127.0.0.2:9/elsewhere',
      ],
    ]),
    '/orphan': sitePage('Orphan', `${sentence}Only the sitemap knows this page.`),
    '/returns': sitePage('Returns', `${sentence}Send it back within thirty days.`, ['/loop/a']),
    '/loop/a': sitePage('Loop A', `${sentence}This is A.`, [
      '/loop/b',
      '/loop/a#top',
      '/loop/a?utm_source=x',
    ]),
    '/loop/b': sitePage('Loop B', `${sentence}This is B.`, ['/loop/a', '/']),
    '/old': { status: 301, headers: { location: '/returns' } },
    '/copy': sitePage('Copy', `${sentence}Print me.`, [], '<link rel="canonical" href="/returns">'),
    '/again': sitePage('Returns', `${sentence}Send it back within thirty days.`, ['/loop/a']),
    '/hidden': sitePage('Hidden', sentence, [], '<meta name="robots" content="noindex">'),
    '/app': '<!doctype html><title>App</title><div id="root"></div><script src="app.js"></script>',
    '/broken': { status: 500, body: 'oops' },
    '/busy': {
      handle: (_, response) => {
        if (++overloaded < 2) response.writeHead(429, { 'retry-after': '1' }).end();
        else response.end(sitePage('Busy', `${sentence}At last.`));
      },
    },
    '/logo.png': { body: Buffer.from([1, 2, 3]), type: 'image/png' },
    '/terms.txt': { body: 'Terms: we ship to Norway.', type: 'text/plain' },
    ...Object.fromEntries(
      Array.from({ length: 30 }, (_, n) => [
        `/calendar/${n}`,
        sitePage(`Day ${n}`, `${sentence}Nothing on day ${n}.`, [`/calendar/${n + 1}`]),
      ]),
    ),
  });
  served['/map.xml'] = {
    body: `<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
      <url><loc>${url}/orphan</loc></url><url><loc>/relative</loc></url></urlset>`,
    type: 'application/xml',
  };
  const sourceId = await create({ url, maxDepth: 3, exclude: ['/print*'] });
  const crawl = await crawlEnds(sourceId, 1, 60_000);
  expect(await outcomes(sourceId, url)).toEqual({
    '/': 'new',
    '/orphan': 'new',
    '/returns': 'new',
    '/loop/a': 'new',
    '/loop/b': 'new',
    '/private/x': 'skipped: The robots.txt of its host forbids it.',
    '/nope': 'failed: There is no such page (status 404).',
    '/old': 'skipped: It redirects to /returns.',
    '/copy': 'skipped: It wants to be known as /returns.',
    '/again': 'skipped: It says the same as /returns.',
    '/hidden': 'skipped: It asks not to be found in searches (noindex).',
    '/app': 'skipped: It has no text of its own; it may be made by scripts in the browser.',
    '/broken': 'failed: Its server failed (status 500). It was tried 3 times.',
    '/busy': 'new',
    '/logo.png': 'skipped: Files of the type image/png are not taken in.',
    '/terms.txt': 'new',
    '/calendar/1': 'new',
    '/calendar/2': 'new',
    '/calendar/3': 'new',
  });
  expect(crawl).toMatchObject({
    status: 'done',
    trigger: 'api',
    partial: false,
    counts: { new: 10, skipped: 7, failed: 2, waiting: 0 },
  });
  expect(requests.map((request) => request.path)).not.toContain('/private/x');
  const pages = requests.filter(({ path }) => !['/broken', '/busy'].includes(path)).map(({ path }) => path);
  expect(new Set(pages).size).toBe(pages.length);

  const documents = await documentsOf(url);
  expect(documents['/returns']).toMatchObject({
    title: 'Returns',
    source: `${url}/returns`,
    metadata: { sourceId },
  });
  const search = await api.call('POST', '/retrieval/search', {
    query: 'Within how many days can I send it back?',
  });
  expect(search.text).toContain('within thirty days');
  expect(search.text).not.toContain('cookies');
});

test('a second crawl reads nothing that is unchanged; changed and vanished pages follow', {
  timeout: 120_000,
}, async () => {
  const { url, requests, pages } = await site({
    '/': sitePage('Home', `${sentence}Start.`, ['/a', '/b', '/hub', '/plain']),
    '/a': sitePage('Opening', `${sentence}We open at nine.`),
    '/b': sitePage('Second', `${sentence}This page goes away.`),
    '/hub': sitePage('Hub', `${sentence}A hub.`, ['/hub/deep']),
    '/hub/deep': sitePage('Deep', `${sentence}Behind the hub.`),
    '/plain': { body: sitePage('Plain', `${sentence}Its server knows no ETag.`), unvalidated: true },
  });
  const sourceId = await create({ url });
  await crawlEnds(sourceId);
  const first = await documentsOf(url);
  expect(Object.keys(first).sort()).toEqual(['/', '/a', '/b', '/hub', '/hub/deep', '/plain']);

  requests.length = 0;
  const second = await crawlAgain(sourceId);
  expect(second).toMatchObject({ run: 2, status: 'done', counts: { unchanged: 6, new: 0, changed: 0 } });
  const bodies = requests.filter(
    ({ bytes, path }) => bytes > 0 && path !== '/robots.txt' && path !== '/sitemap.xml',
  );
  expect(bodies.map(({ path }) => path)).toEqual(['/plain']);
  expect(await documentsOf(url)).toEqual(first);

  pages['/a'] = sitePage('Opening', `${sentence}We open at eleven.`);
  pages['/b'] = { status: 410 };
  pages['/hub'] = { status: 403 };
  pages['/plain'] = { body: sitePage('Plain', `${sentence}New text.`), unvalidated: true };
  const third = await crawlAgain(sourceId);
  expect(third.counts).toMatchObject({ changed: 2, gone: 1, failed: 1, unchanged: 2 });
  const after = await documentsOf(url);
  expect(Object.keys(after).sort()).toEqual(['/', '/a', '/hub', '/hub/deep', '/plain']);
  expect(after['/a']).toMatchObject({ id: first['/a'].id, version: 2, currentVersion: 2 });
  const search = await api.call('POST', '/retrieval/search', { query: 'When do you open?' });
  expect(search.text).toContain('We open at eleven');
  expect(search.text).not.toContain('We open at nine');

  // Nothing leads to the hub any more; the start page is the only one that says so.
  pages['/'] = sitePage('Home', `${sentence}Start.`, ['/a']);
  const fourth = await crawlAgain(sourceId);
  expect(fourth.counts).toMatchObject({ changed: 1, unchanged: 1, gone: 3 });
  expect(Object.keys(await documentsOf(url)).sort()).toEqual(['/', '/a']);

  // A start page that is away takes nothing with it.
  pages['/'] = { status: 403 };
  const fifth = await crawlAgain(sourceId);
  expect(fifth).toMatchObject({ status: 'failed', errorCode: 'START_PAGE_FAILED' });
  expect(fifth.errorMessage).toContain('status 403');
  expect(Object.keys(await documentsOf(url)).sort()).toEqual(['/', '/a']);
});

describe('control', () => {
  /** A site whose pages take a moment each. */
  const slowSite = (length: number) =>
    site(
      Object.fromEntries(
        Array.from({ length }, (_, n) => [
          n === 0 ? '/' : `/${n}`,
          {
            handle: async (_request, response) => {
              await setTimeout(100);
              response.end(sitePage(`Page ${n}`, `${sentence}Number ${n}.`, [`/${n + 1}`]));
            },
          } satisfies SitePage,
        ]),
      ),
    );

  test('pause, resume, progress as events, a second crawl refused', { timeout: 120_000 }, async () => {
    const { url, requests } = await slowSite(25);
    const sourceId = await create({ url, maxDepth: 100 });
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
    const crawl = await crawlEnds(sourceId);
    expect(crawl).toMatchObject({ status: 'done', counts: { new: 25, failed: 1 } });
    const text = await (await events).text();
    expect(text).toMatch(/^event: progress\nid: 1\ndata: \{"run":1,"status":"paused"/);
    expect(text).toMatch(/event: done\nid: 1\ndata: \{"run":1,"status":"done".*\n\n$/);
    expect((await api.call('POST', `/sources/${sourceId}/pause`)).json.code).toBe('CRAWL_NOT_RUNNING');
  });

  test('cancel, and what an operator terminates', { timeout: 120_000 }, async () => {
    const { url, requests } = await slowSite(300);
    const sourceId = await create({ url, maxDepth: 100 });
    await eventually(async () => (requests.length > 3 ? true : undefined));
    expect((await api.call('POST', `/sources/${sourceId}/cancel`)).status).toBe(202);
    expect(await crawlEnds(sourceId)).toMatchObject({ status: 'cancelled', errorCode: 'CRAWL_CANCELLED' });

    await api.call('POST', `/sources/${sourceId}/crawl`);
    const handle = environment.temporal.workflow.getHandle(`crawl/${sourceId}/2`);
    await eventually(async () => ((await handle.describe().catch(() => undefined)) ? true : undefined));
    await handle.terminate('test');
    await environment.sql`update source_runs set updated_at = now() - interval '10 minutes' where run = 2`;
    expect(await crawlEnds(sourceId, 2)).toMatchObject({
      status: 'failed',
      errorCode: 'WORKFLOW_TERMINATED',
      errorMessage: 'An operator terminated the workflow. Crawl the source again.',
    });
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
  const sourceId = await create({ url, delayMs: 20 });
  await eventually(async () => (requests.length > 20 ? true : undefined));
  worker.kill('SIGKILL');
  await worker.exited;
  worker = await startWorker();
  const crawl = await crawlEnds(sourceId, 1, 60_000);
  expect(crawl).toMatchObject({ status: 'done', counts: { new: 60, failed: 61, waiting: 0 } });
  const { documents } = (await api.call('GET', '/documents?limit=200')).json;
  const sources = documents.flatMap(({ source }: { source: string }) =>
    source.startsWith(url) ? [source] : [],
  );
  expect([sources.length, new Set(sources).size]).toEqual([60, 60]);
});

test('a schedule crawls again, is visible and can be paused; deleting the source removes all', {
  timeout: 120_000,
}, async () => {
  const { url } = await site({ '/': sitePage('Home', `${sentence}Scheduled.`) });
  const sourceId = await create({ url, crawl: false, schedule: { everyMinutes: 60 } });
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

  expect(Object.keys(await documentsOf(url))).toEqual(['/']);
  expect((await api.call('DELETE', `/sources/${sourceId}`)).status).toBe(202);
  await eventually(async () => {
    const rows = await environment.sql`select 1 from sources where id = ${sourceId}`;
    return rows.length === 0 ? true : undefined;
  });
  await expect(schedule.describe()).rejects.toThrow();
  expect(Object.keys(await documentsOf(url))).toEqual([]);
  expect((await api.call('GET', `/sources/${sourceId}`)).json.code).toBe('SOURCE_NOT_FOUND');
});

test('a sitemap, packed and in an index; one that is not there; one page alone', {
  timeout: 120_000,
}, async () => {
  const { url } = await site({
    '/a': sitePage('A', `${sentence}Page A.`, ['/c']),
    '/b': sitePage('B', `${sentence}Page B.`),
    '/c': sitePage('C', `${sentence}Not in the sitemap.`),
  });
  const maps = await site({});
  maps.pages['/index.xml'] = {
    body: `<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
      <sitemap><loc>${maps.url}/one.xml.gz</loc></sitemap>
      <sitemap><loc>${maps.url}/two.txt</loc></sitemap></sitemapindex>`,
    type: 'text/xml',
  };
  maps.pages['/one.xml.gz'] = {
    body: gzipSync(
      `<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>${url}/a</loc></url></urlset>`,
    ),
    type: 'application/gzip',
  };
  maps.pages['/two.txt'] = { body: `${url}/b\nhttp://127.0.0.2:9/other\n`, type: 'text/plain' };
  const host = new URL(url).host;
  const { source } = (
    await api.call('POST', '/sources', {
      kind: 'sitemap',
      url: `${maps.url}/index.xml`,
      hosts: [host],
      delayMs: 0,
    })
  ).json;
  await crawlEnds(source.id);
  expect(await outcomes(source.id, url)).toEqual({ '/a': 'new', '/b': 'new' });

  const none = await create({ kind: 'sitemap', url: `${url}/sitemap.xml` });
  expect(await crawlEnds(none)).toMatchObject({
    status: 'failed',
    errorCode: 'SITEMAP_UNUSABLE',
    errorMessage: 'The sitemap cannot be read: its server answered with status 404.',
  });
  const one = await create({ kind: 'url', url: `${url}/a` });
  await crawlEnds(one);
  expect(await outcomes(one, url)).toEqual({ '/a': 'new' });
});

test('limits, addresses inside, and bad input', { timeout: 120_000 }, async () => {
  const { url } = await site({
    '/': sitePage('Home', `${sentence}Start.`, ['/1', '/2', '/3', '/4']),
    ...Object.fromEntries([1, 2, 3, 4].map((n) => [`/${n}`, sitePage(`Page ${n}`, `${sentence}${n}`)])),
  });
  const sourceId = await create({ url, maxPages: 3 });
  expect(await crawlEnds(sourceId)).toMatchObject({ status: 'done', partial: true, counts: { new: 3 } });

  const inside = await create({ kind: 'url', url: 'http://10.0.0.1/' });
  expect(await crawlEnds(inside)).toMatchObject({ status: 'failed', errorCode: 'START_PAGE_FAILED' });
  expect(Object.values(await outcomes(inside, ''))[0]).toContain('an address of a private network');

  const refused = async (body: object) => (await api.call('POST', '/sources', body)).json;
  expect((await refused({ url: 'ftp://a.example/' })).message).toContain(
    'url: must be a complete http or https URL',
  );
  expect((await refused({ url: 'https://a:b@a.example/' })).message).toContain('no user name or password');
  expect((await refused({ url, maxPages: 0 })).code).toBe('INVALID_REQUEST');
  expect((await refused({ url, schedule: { everyMinutes: 1 } })).code).toBe('INVALID_REQUEST');
  expect((await api.call('GET', '/sources/nope')).json.code).toBe('SOURCE_NOT_FOUND');
  const other = createApiClient(apiUrl, (await environment.createProject()).key);
  expect((await other.call('GET', `/sources/${sourceId}`)).status).toBe(404);
  expect((await other.call('GET', '/sources')).json.sources).toEqual([]);
});
