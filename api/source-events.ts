import { setTimeout } from 'node:timers/promises';
import { live } from '../domain/deadlines.ts';
import { type CrawlRun, isOpen } from '../domain/sources.ts';

/**
 * How a crawl gets on, as server-sent events: `progress` when something has changed, and `done` with how it ended.
 * A comment in between keeps the connection open. Ends when the signal is aborted.
 */
export async function* crawlEvents(
  read: () => Promise<CrawlRun | undefined>,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let last = '';
  while (!signal.aborted) {
    const crawl = await read();
    if (!crawl) return;
    const data = JSON.stringify(crawl);
    const ended = !isOpen(crawl.status);
    yield data === last && !ended
      ? ': still the same\n\n'
      : `event: ${ended ? 'done' : 'progress'}\nid: ${crawl.run}\ndata: ${data}\n\n`;
    if (ended) return;
    last = data;
    await setTimeout(live.poll, undefined, { signal }).catch(() => {});
  }
}
