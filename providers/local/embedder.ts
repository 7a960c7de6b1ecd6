// The bundled embedding model, run in worker threads. This side queues: one text at most is in flight in each thread,
// so a visitor's query waits for one document text at most, however much is being ingested.
import type { Worker } from 'node:worker_threads';
import { ProviderError } from '../../domain/errors.ts';
import { localEmbeddingModel } from '../../domain/models.ts';
import type { EmbeddingProvider, EmbeddingPurpose } from '../embedding.ts';
import { missingModelFiles, startModelThread } from './model-thread.ts';

export type EmbedderRequest = { type: 'embed'; text: string } | { type: 'close' };
export type EmbedderAnswer =
  | { type: 'ready' }
  | { type: 'vector'; vector: Float32Array }
  | { type: 'failed'; message: string };

export interface LocalEmbedder extends EmbeddingProvider {
  /** Loads the model in every thread. Without it the first `embed` does. Rejects with ProviderError. */
  ready(): Promise<void>;
  /** Ids of the running threads, for tests and diagnostics. */
  threadIds(): number[];
}

interface Call {
  texts: readonly string[];
  vectors: Float32Array[];
  next: number;
  missing: number;
  settle: PromiseWithResolvers<Float32Array[]>;
}

interface Thread {
  worker: Worker;
  state: 'starting' | 'idle' | 'busy';
  current: { call: Call; index: number } | undefined;
  exited: Promise<unknown>;
}

/** The vector space, for those who prepare an index without running the model. */
export const localEmbeddingSpace = {
  model: localEmbeddingModel.model,
  dimensions: localEmbeddingModel.dimensions,
} as const;

const name = 'local embeddings';
const closeTimeoutMs = 5_000;

/**
 * all-MiniLM-L6-v2 (int8): English, 384 dimensions, 256 tokens; what a text has beyond them is not seen.
 * `embed` rejects with a retryable ProviderError when the model's files are missing (they may come: the next call
 * looks again), when a thread dies (it is replaced), and after `close()`.
 */
export function createLocalEmbedder(options: { modelDir: string; threads: number }): LocalEmbedder {
  const waiting: Record<EmbeddingPurpose, Call[]> = { query: [], document: [] };
  const threads = new Set<Thread>();
  let warm = Promise.withResolvers<void>();
  warm.promise.catch(() => {});
  let closed = false;

  function failure(message: string, cause?: unknown): ProviderError {
    return new ProviderError(name, message, { retryable: true, cause });
  }

  /** Starts the threads that are not there. Throws when that cannot succeed. */
  function start() {
    if (closed) throw failure('it is closed.');
    if (threads.size === options.threads) return;
    const missing = missingModelFiles(options.modelDir);
    if (missing) throw failure(`${missing}. Run \`npm run download\` to get the model.`);
    while (threads.size < options.threads) addThread();
  }

  function addThread() {
    const worker = startModelThread(new URL('./embedder-thread.ts', import.meta.url), options.modelDir);
    const exit = Promise.withResolvers<void>();
    const thread: Thread = { worker, state: 'starting', current: undefined, exited: exit.promise };
    threads.add(thread);
    let cause: unknown;
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('message', (answer: EmbedderAnswer) => receive(thread, answer));
    worker.on('exit', (code) => {
      threads.delete(thread);
      exit.resolve();
      lose(thread, code, cause);
    });
  }

  /** A thread that had started is replaced; one that could not start would fail again, so the callers get to know. */
  function lose(thread: Thread, code: number, cause: unknown) {
    const why = cause instanceof Error ? cause.message : `exit code ${code}`;
    if (thread.current)
      fail(thread.current.call, failure(`the thread died while embedding (${why}).`, cause));
    if (closed) return;
    if (thread.state !== 'starting') {
      addThread();
    } else if (threads.size === 0) {
      const error = failure(`the model could not be loaded (${why}).`, cause);
      for (const call of [...waiting.query, ...waiting.document]) fail(call, error);
      warm.reject(error);
      warm = Promise.withResolvers();
      warm.promise.catch(() => {});
    }
  }

  function receive(thread: Thread, answer: EmbedderAnswer) {
    const current = thread.current;
    thread.current = undefined;
    thread.state = 'idle';
    if (answer.type === 'ready') {
      if ([...threads].every(({ state }) => state !== 'starting')) warm.resolve();
    } else if (answer.type === 'failed') {
      if (current) fail(current.call, failure(answer.message));
    } else if (current) {
      const { call, index } = current;
      call.vectors[index] = answer.vector;
      call.missing -= 1;
      if (call.missing === 0) call.settle.resolve(call.vectors);
    }
    dispatch();
  }

  /** Gives every idle thread a text: queries first, and calls of one purpose in turn, so that none starves another. */
  function dispatch() {
    for (const thread of threads) {
      if (thread.state !== 'idle') continue;
      const queue = waiting.query.length > 0 ? waiting.query : waiting.document;
      const call = queue.shift();
      if (!call) return;
      const index = call.next++;
      if (call.next < call.texts.length) queue.push(call);
      thread.state = 'busy';
      thread.current = { call, index };
      thread.worker.postMessage({ type: 'embed', text: call.texts[index]! } satisfies EmbedderRequest);
    }
  }

  /** Rejects the call and drops its waiting texts; one that is in flight runs to its end unheard. */
  function fail(call: Call, reason: unknown) {
    for (const queue of Object.values(waiting)) {
      const at = queue.indexOf(call);
      if (at >= 0) queue.splice(at, 1);
    }
    call.settle.reject(reason);
  }

  async function embed(
    texts: readonly string[],
    { purpose, signal }: { purpose: EmbeddingPurpose; signal?: AbortSignal },
  ): Promise<Float32Array[]> {
    signal?.throwIfAborted();
    if (texts.length === 0) return [];
    start();
    const call: Call = {
      texts,
      vectors: new Array(texts.length),
      next: 0,
      missing: texts.length,
      settle: Promise.withResolvers(),
    };
    waiting[purpose].push(call);
    const abort = () => fail(call, signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    dispatch();
    try {
      return await call.settle.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async function close(): Promise<void> {
    closed = true;
    const error = failure('it is closed.');
    for (const call of [...waiting.query, ...waiting.document]) fail(call, error);
    warm.reject(error);
    await Promise.all(
      [...threads].map(async (thread) => {
        // A thread takes the message after the text that it works on, so it never dies inside the native code.
        thread.worker.postMessage({ type: 'close' } satisfies EmbedderRequest);
        const timer = setTimeout(() => void thread.worker.terminate(), closeTimeoutMs);
        await thread.exited;
        clearTimeout(timer);
      }),
    );
  }

  return {
    ...localEmbeddingSpace,
    embed,
    close,
    async ready() {
      start();
      await warm.promise;
    },
    threadIds: () => [...threads].map(({ worker }) => worker.threadId),
  };
}
