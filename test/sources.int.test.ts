import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { createApiClient } from './support/api-client.ts';
import { createSites, sentence, sitePage } from './support/crawled-site.ts';
import { pdf } from './support/documents.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import { createSourceClient } from './support/sources.ts';

// A website on this machine is crawled by the real worker, and changes under it.

let environment: TestEnvironment;
let api: ReturnType<typeof createApiClient>;
let sources: ReturnType<typeof createSourceClient>;
let apiUrl: string;
const sites = createSites();
const { site } = sites;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  const project = await environment.createProject();
  const [server] = await Promise.all([
    environment.startApi(),
    environment.startWorker({ OUTBOUND_ALLOWED_RANGES: '127.0.0.1' }),
  ]);
  apiUrl = server.url;
  api = createApiClient(apiUrl, project.key);
  sources = createSourceClient(api);
});
afterAll(() => environment?.close());
afterEach(() => sites.close());

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
      ...['/returns', '/loop/a', '/private/x', '/nope', '/old', '/print?page=1', '/copy', '/hidden'],
      ...[
        '/app',
        '/broken',
        '/busy',
        '/logo.png',
        '/terms.txt',
        '/manual.pdf',
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
    // Found so late that the page which it repeats is known by then.
    '/loop/b': sitePage('Loop B', `${sentence}This is B.`, ['/loop/a', '/', '/again']),
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
    '/manual.pdf': {
      body: pdf([[{ text: 'The warranty of every lamp lasts five years.', x: 72, y: 700 }]]),
      type: 'application/pdf',
    },
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
  const sourceId = await sources.create({ url, maxDepth: 3, exclude: ['/print*'] });
  const crawl = await sources.crawlEnds(sourceId, 1, 60_000);
  expect(await sources.outcomes(sourceId, url)).toEqual({
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
    '/manual.pdf': 'new',
    '/calendar/1': 'new',
    '/calendar/2': 'new',
    '/calendar/3': 'new',
  });
  expect(crawl).toMatchObject({
    status: 'done',
    trigger: 'api',
    partial: false,
    counts: { new: 11, skipped: 7, failed: 2, waiting: 0 },
  });
  expect(requests.map((request) => request.path)).not.toContain('/private/x');
  const pages = requests.filter(({ path }) => !['/broken', '/busy'].includes(path)).map(({ path }) => path);
  expect(new Set(pages).size).toBe(pages.length);

  const documents = await sources.documentsOf(url);
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
  expect(documents['/manual.pdf']).toMatchObject({ title: 'manual.pdf', pages: 1 });
  const warranty = await api.call('POST', '/retrieval/search', { query: 'How long does the warranty last?' });
  expect(warranty.text).toContain('lasts five years');
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
  const sourceId = await sources.create({ url });
  await sources.crawlEnds(sourceId);
  const first = await sources.documentsOf(url);
  expect(Object.keys(first).sort()).toEqual(['/', '/a', '/b', '/hub', '/hub/deep', '/plain']);

  requests.length = 0;
  const second = await sources.crawlAgain(sourceId);
  expect(second).toMatchObject({ run: 2, status: 'done', counts: { unchanged: 6, new: 0, changed: 0 } });
  const bodies = requests.filter(
    ({ bytes, path }) => bytes > 0 && path !== '/robots.txt' && path !== '/sitemap.xml',
  );
  expect(bodies.map(({ path }) => path)).toEqual(['/plain']);
  expect(await sources.documentsOf(url)).toEqual(first);

  pages['/a'] = sitePage('Opening', `${sentence}We open at eleven.`);
  pages['/b'] = { status: 410 };
  pages['/hub'] = { status: 403 };
  pages['/plain'] = { body: sitePage('Plain', `${sentence}New text.`), unvalidated: true };
  const third = await sources.crawlAgain(sourceId);
  expect(third.counts).toMatchObject({ changed: 2, gone: 1, failed: 1, unchanged: 2 });
  const after = await sources.documentsOf(url);
  expect(Object.keys(after).sort()).toEqual(['/', '/a', '/hub', '/hub/deep', '/plain']);
  expect(after['/a']).toMatchObject({ id: first['/a'].id, version: 2, currentVersion: 2 });
  const search = await api.call('POST', '/retrieval/search', { query: 'When do you open?' });
  expect(search.text).toContain('We open at eleven');
  expect(search.text).not.toContain('We open at nine');

  // Nothing leads to the hub any more; the start page is the only one that says so.
  pages['/'] = sitePage('Home', `${sentence}Start.`, ['/a']);
  const fourth = await sources.crawlAgain(sourceId);
  expect(fourth.counts).toMatchObject({ changed: 1, unchanged: 1, gone: 3 });
  expect(Object.keys(await sources.documentsOf(url)).sort()).toEqual(['/', '/a']);

  // A start page that is away takes nothing with it.
  pages['/'] = { status: 403 };
  const fifth = await sources.crawlAgain(sourceId);
  expect(fifth).toMatchObject({ status: 'failed', errorCode: 'START_PAGE_FAILED' });
  expect(fifth.errorMessage).toContain('status 403');
  expect(Object.keys(await sources.documentsOf(url)).sort()).toEqual(['/', '/a']);
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
  await sources.crawlEnds(source.id);
  expect(await sources.outcomes(source.id, url)).toEqual({ '/a': 'new', '/b': 'new' });

  const none = await sources.create({ kind: 'sitemap', url: `${url}/sitemap.xml` });
  expect(await sources.crawlEnds(none)).toMatchObject({
    status: 'failed',
    errorCode: 'SITEMAP_UNUSABLE',
    errorMessage: 'The sitemap cannot be read: its server answered with status 404.',
  });
  const one = await sources.create({ kind: 'url', url: `${url}/a` });
  await sources.crawlEnds(one);
  expect(await sources.outcomes(one, url)).toEqual({ '/a': 'new' });
});

test('limits, addresses inside, and bad input', { timeout: 120_000 }, async () => {
  const { url } = await site({
    '/': sitePage('Home', `${sentence}Start.`, ['/1', '/2', '/3', '/4']),
    ...Object.fromEntries([1, 2, 3, 4].map((n) => [`/${n}`, sitePage(`Page ${n}`, `${sentence}${n}`)])),
  });
  const sourceId = await sources.create({ url, maxPages: 3 });
  expect(await sources.crawlEnds(sourceId)).toMatchObject({
    status: 'done',
    partial: true,
    counts: { new: 3 },
  });

  const inside = await sources.create({ kind: 'url', url: 'http://10.0.0.1/' });
  expect(await sources.crawlEnds(inside)).toMatchObject({ status: 'failed', errorCode: 'START_PAGE_FAILED' });
  expect(Object.values(await sources.outcomes(inside, ''))[0]).toContain('an address of a private network');

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
