import { fromBufferPromise } from 'yauzl';
import { maxInflatedBytes } from './inflation.ts';
import { ParseError, tooLarge, unpacksToTooMuch } from './parsed.ts';

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
      if (entry.uncompressedSize > maxInflatedBytes) throw unpacksToTooMuch();
      if (entry.fileName.endsWith('/')) continue;
      for await (const part of await zip.openReadStreamPromise(entry)) {
        expanded += (part as Buffer).length;
        if (expanded > maxInflatedBytes) throw unpacksToTooMuch();
      }
    }
  } catch (error) {
    if (error instanceof ParseError) throw error;
    const message = `This file is damaged (${(error as Error).message.slice(0, 200)}). Open it and save it again.`;
    throw new ParseError('DOCUMENT_CORRUPT', message, { cause: error });
  }
}
