import { setTimeout } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { crawl as timing } from '../../domain/deadlines.ts';
import { type CrawlKey, type PageCounts, type Scope, type Source, scopeOf } from '../../domain/sources.ts';
import { pageUrl } from '../../domain/urls.ts';
import { outboundErrorIn } from '../../outbound/outbound-error.ts';
import type { WaitingPage } from '../../stores/postgres/source-pages.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';
import { createPageReader } from './page-reader.ts';
import { createRobots, RobotsUnavailable } from './robots.ts';
import { readSitemaps, SitemapProblem } from './sitemaps.ts';
import { linksOfUnreadable, type PassingFailure, visitPage } from './visit.ts';

type CrawlDependencies = Pick<
  ActivityDependencies,
  'stores' | 'dispatcher' | 'safeFetch' | 'maxContentBytes'
>;

export interface CrawlProgress {
  counts: PageCounts;
  /** Milliseconds until the next page may be visited; null where none is waiting. */
  nextInMs: number | null;
}

/** Requests under way to a host at once, each begun in its turn: one slow page does not hold the others up. */
const lanes = 4;
/** Pages that one activity visits at most, so that a crawl shows in Temporal how far it is. */
const batchPages = 50;
const maxTries = 3;
const retirePage = 100;

/** What is waited for within an activity: the pace of a host, and short pauses. */
const patienceOf = (source: Source) => timing.shortPause + lanes * source.settings.delayMs;

export function createCrawlActivities({ stores, dispatcher, safeFetch, maxContentBytes }: CrawlDependencies) {
  const reader = createPageReader();
  const robots = createRobots(safeFetch);
  const { sources, sourceRuns, sourcePages } = stores;

  async function sourceOf({ projectId, sourceId }: CrawlKey): Promise<Source> {
    const source = await sources.get(projectId, sourceId);
    if (!source) throw ApplicationFailure.nonRetryable('The source was deleted.', 'SOURCE_DELETED');
    return source;
  }

  const crawlId = ({ sourceId, run }: CrawlKey) => `${sourceId}/${run}`;

  /** Visits one page in its host's turn and records what it found, or when to try again. False where it had no turn. */
  async function visit(key: CrawlKey, source: Source, scope: Scope, page: WaitingPage, signal: AbortSignal) {
    const { projectId, sourceId } = key;
    const { host } = new URL(page.url);
    const record = async (found: Parameters<typeof sourcePages.record>[2]) => {
      const dispatches = await sourcePages.record(key, page.id, found, source.settings.maxPages);
      for (const dispatch of dispatches) dispatcher.startSoon(dispatch);
    };
    const rules = await robots.of(crawlId(key), page.url, signal).catch((error: unknown) => {
      if (signal.aborted) throw error;
      if (error instanceof RobotsUnavailable)
        return { kind: 'passing', reason: error.message } as PassingFailure;
      const outbound = outboundErrorIn(error);
      if (!outbound) throw error;
      return { kind: 'failed' as const, reason: outbound.message, found: [] };
    });
    if ('kind' in rules)
      return await (rules.kind === 'passing' ? tryLater(rules) : record(rules)).then(() => true);
    if (!rules.allows(page.url)) {
      await record({ kind: 'skipped', reason: 'The robots.txt of its host forbids it.', found: [] });
      return true;
    }
    const delayMs = Math.max(source.settings.delayMs, rules.delayMs);
    const turn = await sourcePages.takeTurn(host, {
      delayMs,
      patienceMs: patienceOf(source) + lanes * delayMs,
    });
    if (!turn.taken) return false;
    await setTimeout(turn.waitMs, undefined, { signal });
    const found = await visitPage(
      { safeFetch, reader },
      page,
      {
        kind: source.kind,
        scope,
        maxDepth: source.kind === 'site' ? source.settings.maxDepth : 0,
        maxBytes: maxContentBytes,
      },
      signal,
    );
    if (found.kind === 'passing') await tryLater(found);
    else await record(found);
    return true;

    async function tryLater({ reason, hostPauseMs }: PassingFailure): Promise<void> {
      if (hostPauseMs !== undefined) await sourcePages.block(host, hostPauseMs);
      if (page.tries + 1 >= maxTries) {
        const after = `${reason} It was tried ${maxTries} times.`;
        await record({ kind: 'failed', reason: after, found: linksAgain(page, source, scope) });
      } else {
        const delay = Math.max(timing.pageRetry * 2 ** page.tries, hostPauseMs ?? 0);
        await sourcePages.postpone(key, page.id, { delayMs: delay, reason });
      }
      await sourceRuns.touch(projectId, sourceId, key.run);
    }
  }

  return {
    /** The crawl's number, or undefined where there is nothing to do: see the store. */
    async openCrawl(input: { projectId: string; sourceId: string }): Promise<number | undefined> {
      const { workflowId } = Context.current().info.workflowExecution!;
      return await sourceRuns.open(input.projectId, input.sourceId, workflowId);
    },

    /** Puts the start page and what sitemaps list into the frontier. */
    async seedCrawl(key: CrawlKey): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, async (signal) => {
        const source = await sourceOf(key);
        const scope = scopeOf(source);
        const { maxPages } = source.settings;
        // One more than the limit shows that there are more.
        const options = { limit: maxPages + 1, has: scope.has, signal };
        const add = async ({ urls, complete }: { urls: string[]; complete: boolean }, depth: number) => {
          const pages = urls.map((url) => ({ url, depth }));
          await sourcePages.add(key, pages, maxPages);
          if (!complete) await sourceRuns.setPartial(key);
        };
        if (source.kind === 'sitemap') {
          const listed = await readSitemaps(safeFetch, [source.url], { ...options, mustExist: true }).catch(
            async (error: unknown) => {
              if (!(error instanceof SitemapProblem)) throw error;
              await sourceRuns.explain(key, error.message);
              throw ApplicationFailure.nonRetryable('The sitemap cannot be read.', 'SITEMAP_UNUSABLE');
            },
          );
          if (listed.urls.length === 0) {
            const message = 'The sitemap lists no page of this source.';
            throw ApplicationFailure.nonRetryable(message, 'SITEMAP_UNUSABLE');
          }
          await add(listed, 0);
          return;
        }
        const start = pageUrl(source.url) ?? source.url;
        await sourcePages.add(key, [{ url: start, depth: 0 }], maxPages);
        if (source.kind === 'url' || source.settings.maxDepth === 0) return;
        // Where robots.txt cannot be read now, the start page says so, or is tried until it can.
        const { sitemaps } = await robots.of(crawlId(key), start, signal).catch(() => ({ sitemaps: [] }));
        const files = sitemaps.length > 0 ? sitemaps : [new URL('/sitemap.xml', start).href];
        await add(await readSitemaps(safeFetch, files, { ...options, mustExist: false }), 1);
      });
    },

    /** Visits some of the pages that wait. What it recorded stays, however it ends. */
    async visitPages(key: CrawlKey): Promise<CrawlProgress> {
      const { projectId, sourceId, run } = key;
      return await withHeartbeat(timing.heartbeatEvery, async (signal, report) => {
        const source = await sourceOf(key);
        const scope = scopeOf(source);
        const until = Date.now() + timing.batchTime;
        const patienceMs = patienceOf(source);
        let visited = 0;
        while (visited < batchPages && Date.now() < until) {
          const pages = await sourcePages.ready(key, { limit: batchPages - visited, patienceMs });
          if (pages.length === 0) break;
          await sourceRuns.touch(projectId, sourceId, run);
          const work = async () => {
            for (let page = pages.shift(); page && Date.now() < until; page = pages.shift()) {
              signal.throwIfAborted();
              if (!(await visit(key, source, scope, page, signal))) return;
              report({ visited: ++visited });
            }
          };
          const ended = await Promise.allSettled(Array.from({ length: lanes }, work));
          for (const lane of ended) if (lane.status === 'rejected') throw lane.reason;
          if (pages.length > 0) break;
        }
        const waiting = await sourcePages.waiting(key, patienceMs);
        const counts = await sourceRuns.counts(projectId, sourceId, run);
        return { counts, nextInMs: waiting.pages === 0 ? null : Math.ceil(waiting.nextInMs) };
      });
    },

    async setCrawlPaused({ projectId, sourceId, run }: CrawlKey, paused: boolean): Promise<void> {
      await sourceRuns.setPaused(projectId, sourceId, run, paused);
    },

    /** Retires what this crawl did not find any more, where it has seen the whole of the source. */
    async retirePages(key: CrawlKey): Promise<void> {
      const { projectId, sourceId, run } = key;
      await withHeartbeat(timing.heartbeatEvery, async (signal) => {
        const source = await sourceOf(key);
        const crawl = await sourceRuns.get(projectId, sourceId, run);
        const url = pageUrl(source.url) ?? source.url;
        const start = await sourcePages.find(key, url);
        // A start page that cannot be read says nothing about the pages behind it: they stay.
        const lost = start?.state === 'failed' || (source.kind === 'site' && start?.state === 'gone');
        const rules =
          source.kind === 'site'
            ? await robots.of(crawlId(key), url, signal).catch(() => undefined)
            : undefined;
        if (source.kind !== 'sitemap' && (lost || rules?.allows(url) === false)) {
          const message = 'The start page cannot be read.';
          await sourceRuns.explain(key, `${message} ${start?.reason ?? ''}`.trim());
          throw ApplicationFailure.nonRetryable(message, 'START_PAGE_FAILED');
        }
        if (crawl?.partial) return;
        for (let pages = 1; pages > 0; ) {
          signal.throwIfAborted();
          const retired = await sourcePages.retireUnfound(key, retirePage);
          for (const dispatch of retired.dispatches) dispatcher.startSoon(dispatch);
          pages = retired.pages;
        }
      });
    },

    async endCrawl(
      { projectId, sourceId, run }: CrawlKey,
      outcome: { status: 'done' | 'failed' | 'cancelled'; code?: string; message?: string },
    ): Promise<PageCounts> {
      await sourceRuns.end(projectId, sourceId, run, outcome);
      return await sourceRuns.counts(projectId, sourceId, run);
    },
  };
}

/** Where a page led the last time, for one that cannot be read this time. */
function linksAgain(page: WaitingPage, source: Source, scope: Scope) {
  if (page.depth >= source.settings.maxDepth) return [];
  const remembered = page.links.filter(scope.has).map((url) => ({ url, depth: page.depth + 1 }));
  return linksOfUnreadable(page, source.kind, remembered);
}
