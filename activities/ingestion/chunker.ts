import { Worker } from 'node:worker_threads';
import { type Chunk, chunkText } from '../../domain/chunking.ts';

/** Below this, chunking takes a few milliseconds, less than starting a thread. */
const inThreadFrom = 200_000;

/**
 * chunkText, in a thread of its own for a long text: 50 MB take seconds, in which this process would neither answer
 * visitors nor send heartbeats. Rejects with the signal's reason when it is aborted.
 */
export async function chunkLongText(
  text: string,
  breaks: readonly number[],
  signal: AbortSignal,
): Promise<Chunk[]> {
  if (text.length < inThreadFrom) return chunkText(text, { breaks });
  signal.throwIfAborted();
  const thread = new Worker(new URL('./chunker-thread.ts', import.meta.url), {
    workerData: { text, breaks },
  });
  try {
    return await new Promise<Chunk[]>((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  } finally {
    await thread.terminate();
  }
}
