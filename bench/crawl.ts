// A large site with everything that goes wrong on sites: what a first and a second crawl of it find and fetch, the
// worker's memory meanwhile, and the size of each history.
// Usage: node bench/crawl.ts [--pages 5000]
import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createApiClient, eventually } from '../test/support/api-client.ts';
import { type SitePage, type SiteRequest, sitePage, startSite } from '../test/support/crawled-site.ts';
import type { TestEnvironment } from '../test/support/environment.ts';
import { onFreshServers } from './support/environment.ts';
import { round } from './support/statistics.ts';

const { values } = parseArgs({ options: { pages: { type: 'string', default: '5000' } } });
const size = Number(values.pages);
/** Every so manieth page answers slowly, and every so manieth refuses its first two visits. */
const slowEvery = 500;
const busyEvery = 1_000;
const refused = new Map<string, number>();

/** A tree of pages with links back, broken ones, a calendar without end, and pages that lead into themselves. */
function pageAt(path: string): SitePage | undefined {
  if (path === '/robots.txt') return { body: 'User-agent: *\nDisallow: /private/', type: 'text/plain' };
  const [, kind, digits] = /^\/(p|calendar|private)\/(\d+)$/.exec(path) ?? [];
  const n = path === '/' ? 0 : Number(digits);
  if (kind === 'calendar') {
    return { body: sitePage('Calendar', 'Nothing happens on this day.', [`/calendar/${n + 1}`]) };
  }
  if (path !== '/' && (kind !== 'p' || n >= size)) return undefined;
  const children = Array.from({ length: 10 }, (_, child) => n * 10 + child + 1);
  const links = [
    ...children.filter((child) => child < size).map((child) => `/p/${child}`),
    ...['/', `/p/${Math.floor(n / 10)}`, `/p/${n}`, `/missing/${n % 50}`, `/private/${n % 20}`],
    ...(n % 100 === 0 ? [`/calendar/${n}`, `/p/${n}/../${n}?utm_source=loop`] : []),
  ];
  const text =
    `Lamp number ${n} costs ${n + 7} euros and is sent within ${(n % 9) + 1} working days. Its shade is made by hand ` +
    `in workshop ${n % 37}, and every part of lamp ${n} can be bought for ten years after the last one was sold. `;
  const body = sitePage(`Lamp ${n}`, text.repeat(2), links);
  if (n > 0 && n % busyEvery === 0 && (refused.get(path) ?? 0) < 2) {
    refused.set(path, (refused.get(path) ?? 0) + 1);
    return { status: 429, headers: { 'retry-after': '2' } };
  }
  if (n > 0 && n % slowEvery === 0) {
    return {
      handle: async (_request, response) => {
        await setTimeout(3_000);
        response.end(body);
      },
    };
  }
  return { body };
}

await onFreshServers('crawl', async (environment) => {
  const site = await startSite(pageAt);
  const project = await environment.createProject();
  const [api, worker] = await Promise.all([
    environment.startApi({ RATE_LIMIT_MAX_REQUESTS: '1000000' }),
    environment.startWorker({ OUTBOUND_ALLOWED_RANGES: '127.0.0.1' }),
  ]);
  const client = createApiClient(api.url, project.key);
  const rows: Record<string, object> = {};
  const { json } = await client.call('POST', '/sources', {
    url: site.url,
    maxPages: size + 1_000,
    maxDepth: 12,
    delayMs: 0,
    crawl: false,
  });
  const sourceId: string = json.source.id;
  for (const name of ['first', 'second'])
    rows[name] = await crawl(environment, client, sourceId, site.requests, worker.pid);
  console.table(rows);
  const documents = await environment.sql<{ status: string; documents: number }[]>`
    select v.status, count(*)::int as documents from documents d
    join document_versions v on v.document_id = d.id and v.version = d.latest_version group by 1`;
  console.table(documents);
  await site.close();
});

async function crawl(
  environment: TestEnvironment,
  client: ReturnType<typeof createApiClient>,
  sourceId: string,
  requests: SiteRequest[],
  pid: number,
): Promise<object> {
  requests.length = 0;
  const began = performance.now();
  const { json } = await client.call('POST', `/sources/${sourceId}/crawl`);
  const { run } = json.source.crawl;
  const memory: number[] = [];
  let looked = 0;
  const ended = await eventually(async () => {
    await setTimeout(2_000);
    memory.push(await residentMegabytes(pid));
    const { crawl } = (await client.call('GET', `/sources/${sourceId}`)).json.source;
    if (++looked % 15 === 0) console.log(`${memory.at(-1)} MB, ${JSON.stringify(crawl.counts)}`);
    return ['queued', 'running', 'paused'].includes(crawl.status) ? undefined : crawl;
  }, 3_600_000);
  const seconds = (performance.now() - began) / 1000;
  // Documents are ingested beside the crawl and a little after it.
  await eventually(async () => {
    const [row] = await environment.sql`
      select 1 from document_versions where status in ('queued', 'processing') limit 1`;
    await setTimeout(1_000);
    return row ? undefined : true;
  }, 3_600_000);
  const bodies = requests.filter(
    ({ bytes, path, status }) => bytes > 0 && status === 200 && path.startsWith('/p/'),
  );
  const histories = await historiesOf(environment, `crawl/${sourceId}/${run}`);
  return {
    status: ended.status,
    ...ended.counts,
    partial: ended.partial,
    seconds: round(seconds),
    requests: requests.length,
    'bodies of pages': bodies.length,
    'memory early, MB': Math.max(...memory.slice(0, Math.ceil(memory.length / 4))),
    'memory late, MB': Math.max(...memory.slice(-Math.ceil(memory.length / 4))),
    histories: histories.length,
    'most events': Math.max(...histories.map(({ events }) => events)),
    'largest, KB': round(Math.max(...histories.map(({ bytes }) => bytes)) / 1024),
  };
}

/** Each run of a workflow that continued as a new one has a history of its own. */
async function historiesOf(
  environment: TestEnvironment,
  workflowId: string,
): Promise<{ events: number; bytes: number }[]> {
  const histories: { events: number; bytes: number }[] = [];
  for await (const { historyLength, historySize } of environment.temporal.workflow.list({
    query: `WorkflowId = "${workflowId}"`,
  }))
    histories.push({ events: historyLength, bytes: historySize ?? 0 });
  return histories;
}

/** Resident set size (Linux). */
async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024);
}
