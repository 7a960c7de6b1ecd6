import {
  ActivityCancellationType,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  proxyActivities,
  rootCause,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { crawl, record } from '../domain/deadlines.ts';
import type { CrawlSiteInput } from '../domain/flows.ts';
import type { PageCounts } from '../domain/sources.ts';
import { cancellationOf, codeOf, wasStopped } from './failures.ts';

const step = {
  startToCloseTimeout: crawl.visit,
  scheduleToCloseTimeout: crawl.giveUpAfter,
  heartbeatTimeout: crawl.heartbeat,
  // Nothing is under way any more when the crawl is recorded as paused or ended.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: crawl.retry,
};
const quick = { startToCloseTimeout: record.attempt, retry: record.retry };

const { openCrawl } = proxyActivities<Activities>({
  ...quick,
  summary: 'see whether there is something to crawl',
});
const { seedCrawl } = proxyActivities<Activities>({ ...step, summary: 'start page and sitemaps' });
const { visitPages } = proxyActivities<Activities>({ ...step, summary: 'visit pages' });
const { retirePages } = proxyActivities<Activities>({ ...step, summary: 'retire pages that have gone' });
const { setCrawlPaused } = proxyActivities<Activities>({ ...quick, summary: 'record the pause' });
const { endCrawl } = proxyActivities<Activities>({ ...quick, summary: 'record how it ended' });

/** Events after which the crawl goes on under a new, empty history. */
const longHistory = 400;

export const pauseCrawl = defineSignal('pause');
export const resumeCrawl = defineSignal('resume');
export const crawlProgress = defineQuery<CrawlState>('progress');

interface CrawlState {
  run: number | null;
  paused: boolean;
  counts: PageCounts | null;
}

/** Visits the pages of a source. The frontier is in PostgreSQL; each run of an activity visits some of it. */
export async function crawlSite(
  input: CrawlSiteInput,
): Promise<{ status: string; counts: PageCounts | null }> {
  const state: CrawlState = {
    run: input.carried?.run ?? input.run ?? null,
    paused: input.carried?.paused ?? false,
    counts: null,
  };
  let working: CancellationScope | undefined;
  // Kept apart from `paused`: by the time the work has ended, the crawl may have been resumed.
  let interrupted = false;
  setHandler(pauseCrawl, () => {
    state.paused = true;
    interrupted = true;
    working?.cancel();
  });
  setHandler(resumeCrawl, () => {
    state.paused = false;
  });
  setHandler(crawlProgress, () => state);

  const { projectId, sourceId } = input;
  const run = input.carried?.run ?? (await openCrawl({ projectId, sourceId }));
  if (run === undefined) {
    setCurrentDetails('Nothing to do: the source is deleted, or another crawl of it is under way');
    return { status: 'skipped', counts: null };
  }
  state.run = run;
  const key = { projectId, sourceId, run };
  let carryOn = false;
  try {
    if (!input.carried) {
      setCurrentDetails('Reading robots.txt and sitemaps');
      await seedCrawl(key);
    }
    carryOn = await visitAll();
    if (!carryOn) {
      setCurrentDetails('Retiring pages that have gone');
      await retirePages(key);
    }
  } catch (error) {
    const end = wasStopped(error)
      ? {
          status: 'cancelled' as const,
          code: 'CRAWL_CANCELLED',
          message: 'Stopped. Pages that were read stay.',
        }
      : {
          status: 'failed' as const,
          code: codeOf(error, 'CRAWL_FAILED'),
          message: rootCause(error) ?? 'unknown reason',
        };
    setCurrentDetails(end.message);
    await CancellationScope.nonCancellable(() => endCrawl(key, end));
    if (end.status === 'cancelled') throw cancellationOf(error, end.message);
    throw ApplicationFailure.nonRetryable(end.message, end.code);
  }
  if (carryOn)
    return await continueAsNew<typeof crawlSite>({ ...input, carried: { run, paused: state.paused } });
  const counts = await CancellationScope.nonCancellable(() => endCrawl(key, { status: 'done' }));
  setCurrentDetails(`Done: ${inWords(counts)}`);
  return { status: 'done', counts };

  /** True where pages are left for another history. */
  async function visitAll(): Promise<boolean> {
    for (;;) {
      if (workflowInfo().historyLength > longHistory || workflowInfo().continueAsNewSuggested) return true;
      // Again where somebody pauses while the end of a pause is recorded.
      while (state.paused) {
        await setCrawlPaused(key, true);
        setCurrentDetails('Paused');
        await condition(() => !state.paused);
        await setCrawlPaused(key, false);
      }
      const progress = await pausable(() => visitPages(key));
      if (!progress) continue;
      state.counts = progress.counts;
      if (progress.nextInMs === null) return false;
      setCurrentDetails(`Visiting pages: ${inWords(progress.counts)}`);
      if (progress.nextInMs > 0) {
        const until = new Date(Date.now() + progress.nextInMs).toISOString().slice(11, 19);
        const summary = `waiting until ${until} UTC: pages that are tried again, or a host that asked for a pause`;
        setCurrentDetails(`${inWords(progress.counts)}; ${summary}`);
        await pausable(() => sleep(progress.nextInMs ?? 0, { summary }));
      }
    }
  }

  /** Runs work that a pause cuts short: then undefined. */
  async function pausable<T>(work: () => Promise<T>): Promise<T | undefined> {
    const scope = new CancellationScope();
    working = scope;
    interrupted = false;
    try {
      return await scope.run(work);
    } catch (error) {
      const own = interrupted && wasStopped(error) && !CancellationScope.current().consideredCancelled;
      if (!own) throw error;
      return undefined;
    } finally {
      working = undefined;
    }
  }
}

function inWords(counts: PageCounts): string {
  const parts = Object.entries(counts).filter(([, pages]) => pages > 0);
  return parts.length === 0 ? 'no pages' : parts.map(([state, pages]) => `${pages} ${state}`).join(', ');
}
