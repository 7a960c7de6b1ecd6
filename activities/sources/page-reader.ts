import { Worker } from 'node:worker_threads';
import { crawl as timing } from '../../domain/deadlines.ts';
import type { PageContent } from './page-content.ts';

export interface PageToRead {
  bytes: Uint8Array;
  charset: string | undefined;
  url: string;
}

/** A page that cannot be read, with a reason for its owner. */
export class UnreadablePage extends Error {
  override name = 'UnreadablePage';
}

export type PageReader = ReturnType<typeof createPageReader>;

const heapMb = 256;

/**
 * Reads pages one after the other in a thread, which markup that is made to harm can block or fill without harming
 * this process. Such a page costs the thread; the next page gets a new one.
 */
export function createPageReader({ limit = timing.read }: { limit?: number } = {}) {
  let thread: Worker | undefined;
  let last: Promise<unknown> = Promise.resolve();

  async function readNow(page: PageToRead): Promise<PageContent> {
    thread ??= new Worker(new URL('./page-thread.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: heapMb },
    });
    const running = thread;
    const { promise, resolve, reject } = Promise.withResolvers<PageContent>();
    const onMessage = ({ content, problem }: { content?: PageContent; problem?: string }) =>
      content ? resolve(content) : reject(new UnreadablePage(problem));
    const lose = (reason: string) => {
      if (thread === running) thread = undefined;
      void running.terminate();
      reject(new UnreadablePage(reason));
    };
    const onError = () => lose(`Reading it takes more than ${heapMb} MB of memory.`);
    const onExit = () => lose('The thread that read it has ended.');
    const timer = setTimeout(() => lose(`Reading it takes more than ${limit / 1000} s.`), limit);
    running.once('message', onMessage).once('error', onError).once('exit', onExit);
    running.ref();
    running.postMessage(page);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      running.off('message', onMessage).off('error', onError).off('exit', onExit);
      // After a loss its end still comes; an error without a listener would end this process.
      running.on('error', () => {});
      running.unref();
    }
  }

  return {
    /** Throws UnreadablePage. */
    read(page: PageToRead): Promise<PageContent> {
      const turn = last.then(() => readNow(page));
      last = turn.catch(() => {});
      return turn;
    },

    async close(): Promise<void> {
      await thread?.terminate();
    },
  };
}
