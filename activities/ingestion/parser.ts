import { setInterval, setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { ApplicationFailure } from '@temporalio/common';
import { ingestion as timing } from '../../domain/deadlines.ts';
import { type ContentHints, type ParsedContent, ParseError, type ParseErrorCode } from './formats/parsed.ts';
import { decodeText } from './formats/text.ts';

export type ParserMessage = { parsed: ParsedContent } | { code: ParseErrorCode; message: string };

/** Threads of one worker; the others wait. Each may take the memory below. */
const threads = 2;
/** Of a thread's objects and strings, and of what it keeps outside of them, such as unpacked streams. */
const heapMegabytes = 768;
const externalBytes = 512 * 1024 * 1024;
const lookEvery = 50;

export type Parser = ReturnType<typeof createParser>;

/**
 * Reads contents of all formats, each in a thread of its own with a limit of time and memory: a hostile file ends its
 * own thread and nothing else. Text that needs no parser is read here.
 */
export function createParser() {
  const waiting: (() => void)[] = [];
  let free = threads;

  async function takeTurn(): Promise<void> {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
  }

  function giveTurn(): void {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  }

  return {
    /** Rejects for good, with what the document's owner can do, where there is nothing to read. */
    async parse(content: Uint8Array, hints: ContentHints, signal: AbortSignal): Promise<ParsedContent> {
      if (hints.mimeType === 'text/markdown' && hints.filename === null) {
        const text = decodeText(content);
        if (text !== undefined) return { text, mimeType: hints.mimeType, pageStarts: null };
      }
      await takeTurn();
      try {
        signal.throwIfAborted();
        return await inThread({ content, hints }, signal);
      } catch (error) {
        if (error instanceof ParseError) throw ApplicationFailure.nonRetryable(error.message, error.code);
        throw error;
      } finally {
        giveTurn();
      }
    },
  };
}

async function inThread(
  workerData: { content: Uint8Array; hints: ContentHints },
  signal: AbortSignal,
): Promise<ParsedContent> {
  const thread = new Worker(new URL('./parser-thread.ts', import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: heapMegabytes, maxYoungGenerationSizeMb: 64 },
    // A parser's warnings would fill the log, and name what customers wrote.
    stdout: true,
    stderr: true,
  });
  const watching = new AbortController();
  try {
    return await new Promise<ParsedContent>((resolve, reject) => {
      thread.once('message', (message: ParserMessage) => {
        if ('parsed' in message) resolve(message.parsed);
        else reject(new ParseError(message.code, message.message));
      });
      thread.once('error', (error: NodeJS.ErrnoException) => {
        reject(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? tooComplex('memory') : error);
      });
      thread.once('exit', () => reject(new Error('the parser ended without a result')));
      signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: watching.signal });
      setTimeout(timing.parsing, undefined, { signal: watching.signal, ref: false }).then(
        () => reject(tooComplex('time')),
        () => {},
      );
      watchMemory(thread, watching.signal).catch(reject);
    });
  } finally {
    watching.abort();
    await thread.terminate();
  }
}

/** Rejects when a thread keeps too much outside its heap, which V8's own limit does not count. */
async function watchMemory(thread: Worker, signal: AbortSignal): Promise<void> {
  try {
    for await (const _ of setInterval(lookEvery, undefined, { signal, ref: false })) {
      const { external_memory: external } = await thread.getHeapStatistics();
      if (external > externalBytes) throw tooComplex('memory');
    }
  } catch (error) {
    // Otherwise the thread has ended, and says so itself.
    if (error instanceof ParseError) throw error;
  }
}

function tooComplex(what: 'time' | 'memory'): ParseError {
  const message = `Reading the document takes too much ${what}. Split it, or save its text in a simpler form.`;
  return new ParseError('DOCUMENT_TOO_COMPLEX', message);
}
