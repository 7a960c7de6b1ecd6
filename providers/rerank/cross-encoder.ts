// The local cross-encoder, run in a thread of its own that the first question starts. One pair is in flight at most, so that
// a search that has given up leaves the thread within a pair's time.
import type { Worker } from 'node:worker_threads';
import { ProviderError } from '../../domain/errors.ts';
import { defaultRerankModels } from '../../domain/models.ts';
import { missingModelFiles, startModelThread } from '../local/model-thread.ts';
import type { Reranker } from './reranker.ts';

export interface PairRequest {
  question: string;
  text: string;
}
export type PairScore = { score: number } | { failure: string };

export interface CrossEncoder extends Reranker {
  close(): Promise<void>;
}

const name = 'local reranker';

const failure = (message: string, cause?: unknown) =>
  new ProviderError(name, message, { retryable: true, cause });

/**
 * ms-marco-MiniLM-L-12-v2 (int8): English, 512 tokens of question and text together. Rejects with a retryable
 * ProviderError when the model's files are missing (the next call looks again) and when its thread dies (the next call
 * starts another).
 */
export function createCrossEncoder({ modelDir }: { modelDir: string }): CrossEncoder {
  let thread: Worker | undefined;
  let last: Promise<unknown> = Promise.resolve();

  function start(): Worker {
    const missing = missingModelFiles(modelDir);
    if (missing) throw failure(`${missing}. Run \`npm run download -- reranker\` to get the model.`);
    const worker = startModelThread(new URL('./cross-encoder-thread.ts', import.meta.url), modelDir);
    worker.on('exit', () => {
      if (thread === worker) thread = undefined;
    });
    // Told to whoever waits for a score; without this it would end the process.
    worker.on('error', () => {});
    return worker;
  }

  async function score(pair: PairRequest): Promise<number> {
    thread ??= start();
    const worker = thread;
    const { promise, resolve, reject } = Promise.withResolvers<PairScore>();
    const died = (cause: unknown) => reject(failure('its thread died.', cause));
    worker.once('message', resolve).once('error', died).once('exit', died);
    try {
      worker.postMessage(pair);
      const reply = await promise;
      if ('failure' in reply) throw failure(reply.failure);
      return reply.score;
    } finally {
      worker.off('message', resolve).off('error', died).off('exit', died);
    }
  }

  /** One question after the other. */
  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = last;
    const mine = before.then(work);
    last = mine.catch(() => {});
    return await mine;
  }

  return {
    name: 'local',
    model: defaultRerankModels.local,
    // More made no difference, and takes longer (docs/decisions/0066-rerankers.md).
    candidates: 12,
    async rerank(question, texts, signal) {
      const stopped = Promise.withResolvers<never>();
      const stop = () => stopped.reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      const scores = inTurn(async () => {
        const found: number[] = [];
        for (const text of texts) {
          signal.throwIfAborted();
          found.push(await score({ question, text }));
        }
        return found;
      });
      // What loses the race may still reject, unheard.
      scores.catch(() => {});
      try {
        return await Promise.race([scores, stopped.promise]);
      } finally {
        signal.removeEventListener('abort', stop);
      }
    },
    async close() {
      // After the pair in work, so that the thread never dies inside the native code.
      await inTurn(async () => {
        await thread?.terminate();
      });
    },
  };
}
