import { getDocumentProxy } from 'unpdf';
import { ParseError, type ParsedContent } from './parsed.ts';
import { pageAsMarkdown, type TextPiece } from './pdf-layout.ts';

/** A PDF's text, page by page, in reading order. */
export async function pdfAsMarkdown(content: Uint8Array): Promise<Omit<ParsedContent, 'mimeType'>> {
  const pdf = await open(content);
  let text = '';
  const pageStarts: number[] = [];
  let pages = 0;
  for (let number = 1; number <= pdf.numPages; number += 1) {
    const page = await pdf.getPage(number);
    const { items } = await page.getTextContent();
    const pieces = items.flatMap((item): TextPiece[] => {
      if (!('str' in item)) return [];
      const [, , c = 0, d = 0, x = 0, y = 0] = item.transform as number[];
      return [{ text: item.str, x, y, width: item.width, height: Math.hypot(c, d) }];
    });
    const markdown = pageAsMarkdown(pieces);
    if (markdown !== '') {
      if (text !== '') text += '\n\n';
      pages += 1;
    }
    pageStarts.push(text.length);
    text += markdown;
    page.cleanup();
  }
  if (pages === 0) {
    const message =
      'This PDF has no text: its pages are pictures, as scanners make them. Run text recognition (OCR) on it and upload the result.';
    throw new ParseError('DOCUMENT_WITHOUT_TEXT', message);
  }
  return { text, pageStarts };
}

async function open(content: Uint8Array) {
  try {
    // It takes the bytes over, so it gets a copy.
    return await getDocumentProxy(new Uint8Array(content), {
      useSystemFonts: false,
      stopAtErrors: false,
      verbosity: 0,
    });
  } catch (error) {
    const { name, message } = error as Error;
    if (name === 'PasswordException') {
      const reason = 'This PDF is protected by a password. Save it without one and upload it again.';
      throw new ParseError('DOCUMENT_ENCRYPTED', reason, { cause: error });
    }
    const reason = `This PDF is damaged (${message.slice(0, 200)}). Open it, save it as a new PDF and upload that.`;
    throw new ParseError('DOCUMENT_CORRUPT', reason, { cause: error });
  }
}
