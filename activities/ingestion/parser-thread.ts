import { parentPort, workerData } from 'node:worker_threads';
import { parse } from './formats/index.ts';
import { type ContentHints, ParseError } from './formats/parsed.ts';
import type { ParserMessage } from './parser.ts';

const { content, hints } = workerData as { content: Uint8Array; hints: ContentHints };
const tell = (message: ParserMessage) => parentPort!.postMessage(message);
try {
  tell({ parsed: await parse(content, hints) });
} catch (error) {
  const nested = error instanceof RangeError;
  const failure =
    error instanceof ParseError
      ? error
      : new ParseError(
          nested ? 'DOCUMENT_TOO_COMPLEX' : 'DOCUMENT_CORRUPT',
          nested
            ? 'The document is nested too deeply to be read. Save its text in a simpler form.'
            : `The document cannot be read (${(error as Error).message?.slice(0, 200)}). Open it and save it again.`,
        );
  tell({ code: failure.code, message: failure.message });
}
