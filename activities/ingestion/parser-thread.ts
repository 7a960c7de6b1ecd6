import { parentPort, workerData } from 'node:worker_threads';
import { parse } from './formats/index.ts';
import { limitInflation } from './formats/inflation.ts';
import { type ContentHints, ParseError, unpacksToTooMuch } from './formats/parsed.ts';
import type { ParserMessage } from './parser.ts';

const { content, hints } = workerData as { content: Uint8Array; hints: ContentHints };
const tell = (message: ParserMessage) => parentPort!.postMessage(message);
const fail = ({ code, message }: ParseError) => tell({ code, message });
limitInflation(() => {
  fail(unpacksToTooMuch());
  // The reader would take a refusal for a broken stream, and try to unpack it by other means.
  process.exit();
});
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
  fail(failure);
}
