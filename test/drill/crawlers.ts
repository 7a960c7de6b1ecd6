// Sites that are crawled, changed and crawled again while everything dies around them. The drill serves them itself.
import { setTimeout as sleep } from 'node:timers/promises';
import { type SitePage, sitePage, startSite } from '../support/crawled-site.ts';
import { accepted, type Caller, patienceMs, persist, replyOf, send } from './client.ts';
import type { CrawledSite } from './ledger.ts';

const pages = 8;

/** Serves one site after the other and has each crawled twice, until the signal is aborted. */
export async function runCrawler(caller: Caller, stop: AbortSignal): Promise<void> {
  const sites: CrawledSite[] = [];
  const server = await startSite((path) => pageAt(sites, server.url, path));
  try {
    for (let n = 0; !stop.aborted; n += 1) {
      const site = siteOf(server.url, n);
      sites.push(site);
      caller.ledger.sites.push(site);
      await crawlTwice(caller, site, n).catch((error: Error) => {
        site.complaint = error.message;
      });
      await sleep(10_000, undefined, { signal: stop }).catch(() => {});
    }
  } finally {
    await server.close();
  }
}

async function crawlTwice(caller: Caller, site: CrawledSite, n: number): Promise<void> {
  const { url } = site;
  const created = await persist(() =>
    accepted(caller, {
      method: 'POST',
      path: '/sources',
      body: { url, include: [`/s${n}/*`], delayMs: 0 },
      idempotencyKey: url,
    }),
  );
  site.sourceId = created.json.source.id;
  await ended(caller, site, 1);
  site.pages.set(`${url}p1`, textOf(n, 'one', 'for the second time'));
  site.pages.delete(`${url}p2`);
  site.pages.set(`${url}later`, textOf(n, 'later', 'for the first time'));
  await persist(async () => {
    const path = `/sources/${site.sourceId}/crawl`;
    const { status, json } = await replyOf(caller.ledger, await send(caller, { method: 'POST', path }));
    // An earlier call may have got through without its answer.
    if (status !== 202 && status !== 409) throw new Error(`the crawl was refused: ${status} ${json.code}`);
  });
  await ended(caller, site, 2);
}

/** Waits until the source's crawl of this number has ended. Throws where it did not end well. */
async function ended(caller: Caller, site: CrawledSite, run: number): Promise<void> {
  const end = Date.now() + patienceMs;
  for (;;) {
    const { json } = await persist(() =>
      accepted(caller, { method: 'GET', path: `/sources/${site.sourceId}` }),
    );
    const { crawl } = json.source;
    if (crawl?.run >= run && !['queued', 'running', 'paused'].includes(crawl.status)) {
      if (crawl.status !== 'done') throw new Error(`crawl ${run} is ${crawl.status}: ${crawl.errorMessage}`);
      site.crawls = run;
      return;
    }
    if (Date.now() > end) throw new Error(`crawl ${run} is ${crawl?.status} after ${patienceMs / 1000} s`);
    await sleep(500);
  }
}

const textOf = (site: number, page: string, when: string) =>
  `The lamp ${page} of workshop ${site} can be looked at ${when} in the old mill, and bought there on every day.`;

function siteOf(server: string, n: number): CrawledSite {
  const url = `${server}/s${n}/`;
  const names = ['', ...Array.from({ length: pages - 1 }, (_, page) => `p${page + 1}`)];
  return {
    url,
    pages: new Map(names.map((name) => [url + name, textOf(n, name || 'start', 'for the first time')])),
    sourceId: undefined,
    crawls: 0,
    complaint: undefined,
  };
}

/** Each page links to all others of its site, and to one that is not there. */
function pageAt(sites: readonly CrawledSite[], server: string, path: string): SitePage | undefined {
  const url = server + path;
  const site = sites.find((one) => one.pages.has(url));
  if (!site) return undefined;
  const links = [...site.pages.keys(), `${site.url}missing`];
  return { body: sitePage(`Workshop ${path}`, site.pages.get(url)!, links) };
}
