import { ParseError } from './parsed.ts';

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });
/** Control characters that no text has: all but tab, line ends, form feed and escape. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controls = /[\0-\x08\x0b\x0e-\x1a\x1c-\x1f]/g;
/** How many of them a text may have: one in a hundred characters, as from a printer's or terminal's log. */
const tolerated = 0.01;
const looked = 64 * 1024;

/**
 * Bytes as text: by their byte order mark, else UTF-8, else UTF-16 where every other byte of the beginning is NUL, else
 * Windows-1252, in which older tools write. Undefined where they are no text.
 */
export function decodeText(bytes: Uint8Array): string | undefined {
  const text = decoded(bytes);
  const head = text.slice(0, looked);
  const found = head.match(controls)?.length ?? 0;
  return found > head.length * tolerated ? undefined : text.replaceAll('\0', ' ');
}

/** Like decodeText; throws ParseError where the bytes are no text, or none at all. */
export function readText(bytes: Uint8Array): string {
  const text = decodeText(bytes);
  if (text === undefined) {
    const message = 'This is neither text nor a format that can be read. Save it as PDF, DOCX or plain text.';
    throw new ParseError('DOCUMENT_UNSUPPORTED', message);
  }
  return text;
}

function decoded(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  try {
    const text = strictUtf8.decode(bytes);
    if (!text.slice(0, looked).includes('\0')) return text;
  } catch {
    // not UTF-8
  }
  const wide = utf16Of(bytes);
  return new TextDecoder(wide ?? 'windows-1252').decode(bytes);
}

function utf16Of(bytes: Uint8Array): string | undefined {
  const pairs = Math.min(bytes.length, 4_096) >> 1;
  const zeros = [0, 0];
  for (let at = 0; at < pairs * 2; at += 1) if (bytes[at] === 0) zeros[at & 1]! += 1;
  if (zeros[1]! > pairs * 0.4 && zeros[0]! < pairs * 0.05) return 'utf-16le';
  if (zeros[0]! > pairs * 0.4 && zeros[1]! < pairs * 0.05) return 'utf-16be';
  return undefined;
}
