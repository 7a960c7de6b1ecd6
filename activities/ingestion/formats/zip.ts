import { fromBufferPromise } from 'yauzl';
import { ParseError } from './parsed.ts';

/** What the entries of an Office file may add up to. Real ones of the largest size that is accepted stay below. */
const maxExpandedBytes = 200 * 1024 * 1024;
const maxEntries = 20_000;

/**
 * Unpacks every entry without keeping it, and throws ParseError where that is more than a document can be: a zip bomb
 * must not reach a parser that unpacks it into memory. Sizes are counted, as those that the file states may be lies.
 */
export async function checkZip(content: Uint8Array): Promise<void> {
  try {
    let expanded = 0;
    const zip = await fromBufferPromise(Buffer.from(content), { lazyEntries: true });
    if (zip.entryCount > maxEntries) throw tooLarge(`has ${zip.entryCount} parts`);
    for await (const entry of zip.eachEntry()) {
      if (entry.uncompressedSize > maxExpandedBytes) throw tooLarge('unpacks to more than 200 MB');
      if (entry.fileName.endsWith('/')) continue;
      for await (const part of await zip.openReadStreamPromise(entry)) {
        expanded += (part as Buffer).length;
        if (expanded > maxExpandedBytes) throw tooLarge('unpacks to more than 200 MB');
      }
    }
  } catch (error) {
    if (error instanceof ParseError) throw error;
    const message = `This file is damaged (${(error as Error).message.slice(0, 200)}). Open it and save it again.`;
    throw new ParseError('DOCUMENT_CORRUPT', message, { cause: error });
  }
}

const tooLarge = (what: string) =>
  new ParseError('DOCUMENT_TOO_COMPLEX', `This file ${what}. Split it into smaller documents.`);
