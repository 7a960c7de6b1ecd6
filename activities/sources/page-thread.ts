import { parentPort } from 'node:worker_threads';
import { decodeHtml } from './decoding.ts';
import { readPage } from './page-content.ts';
import type { PageToRead } from './page-reader.ts';

parentPort!.on('message', ({ bytes, charset, url }: PageToRead) => {
  try {
    parentPort!.postMessage({ content: readPage(decodeHtml(bytes, charset), url) });
  } catch (error) {
    // A stack that overflows is markup nested thousands deep; this thread goes on after it.
    const deep = error instanceof RangeError;
    parentPort!.postMessage({
      problem: deep ? 'Its markup is nested too deeply.' : `It cannot be read: ${error}`,
    });
  }
});
