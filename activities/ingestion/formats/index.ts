import { fileTypeFromBuffer } from 'file-type';
import { type ContentHints, ParseError, type ParsedContent } from './parsed.ts';
import { decodeText } from './text.ts';

const word = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
const excel = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';

/** The same formats with macros, which are never run, and templates. */
const formats: Record<string, 'docx' | 'xlsx'> = {
  [word]: 'docx',
  'application/vnd.ms-word.document.macroenabled.12': 'docx',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.template': 'docx',
  'application/vnd.ms-word.template.macroenabled.12': 'docx',
  [excel]: 'xlsx',
  'application/vnd.ms-excel.sheet.macroenabled.12': 'xlsx',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.template': 'xlsx',
  'application/vnd.ms-excel.template.macroenabled.12': 'xlsx',
};

/**
 * The text of a content. What it is is found out from the content; the hints only tell text formats apart that look
 * alike. Each parser is loaded when it is first needed. Throws ParseError.
 */
export async function parse(content: Uint8Array, hints: ContentHints): Promise<ParsedContent> {
  if (content.byteLength === 0)
    throw new ParseError('DOCUMENT_EMPTY', 'The file is empty. Upload it again with its content.');
  const parsed = await parseByContent(content, hints);
  if (/[\p{L}\p{N}]/u.test(parsed.text)) return parsed;
  const message =
    'The document contains no text. If it consists of pictures, run text recognition (OCR) on it.';
  throw new ParseError('DOCUMENT_EMPTY', message);
}

async function parseByContent(content: Uint8Array, hints: ContentHints): Promise<ParsedContent> {
  const head = Buffer.from(content.buffer, content.byteOffset, Math.min(1_024, content.byteLength));
  if (head.includes('%PDF-')) {
    const { pdfAsMarkdown } = await import('./pdf.ts');
    return { mimeType: 'application/pdf', ...(await pdfAsMarkdown(content)) };
  }
  // Before the signatures: some are two letters long, with which a text may begin as well.
  const text = head.toString('latin1').startsWith('{\\rtf') ? undefined : decodeText(content);
  if (text !== undefined) return await parseText(text, hints);

  const type = await fileTypeFromBuffer(content);
  const format = formats[type?.mime ?? ''];
  if (!format) throw unsupported(content, type?.ext);
  const { checkZip } = await import('./zip.ts');
  await checkZip(content);
  const { docxAsMarkdown, xlsxAsText } = await import('./office.ts');
  return format === 'docx'
    ? { mimeType: word, text: await docxAsMarkdown(content), pageStarts: null }
    : { mimeType: excel, text: await xlsxAsText(content), pageStarts: null };
}

async function parseText(text: string, { mimeType, filename }: ContentHints): Promise<ParsedContent> {
  const named = (type: string, ending: RegExp) => mimeType.startsWith(type) || ending.test(filename ?? '');
  const pageStarts = null;
  const head = text.slice(0, 2_000).trimStart().toLowerCase();
  // Markdown may hold HTML: only what begins as a page is one.
  if (
    /^(<!--[\s\S]*?-->\s*)*<(!doctype html|html|head|body|\?xml)\b/.test(head) ||
    named('text/html', /\.x?html?$/i)
  ) {
    const { htmlAsMarkdown } = await import('./html.ts');
    return { mimeType: 'text/html', text: htmlAsMarkdown(text), pageStarts };
  }
  if (named('text/csv', /\.(csv|tsv)$/i) || named('text/tab-separated-values', /\.tsv$/i)) {
    const { csvAsText } = await import('./csv.ts');
    return { mimeType: 'text/csv', text: csvAsText(text), pageStarts };
  }
  if (/^[{[]/.test(head) && !mimeType.startsWith('text/markdown')) {
    const value = jsonOf(text);
    if (value !== undefined) {
      const { jsonAsText } = await import('./json.ts');
      return { mimeType: 'application/json', text: jsonAsText(value), pageStarts };
    }
  }
  const markdown = named('text/markdown', /\.(md|markdown)$/i);
  return { mimeType: markdown ? 'text/markdown' : 'text/plain', text, pageStarts };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unsupported(content: Uint8Array, extension: string | undefined): ParseError {
  // Office encrypts a file by putting it into an old-style container, next to a stream with this name in UTF-16.
  const marker = Buffer.from('EncryptedPackage', 'utf16le');
  if (extension === 'cfb' && Buffer.from(content).includes(marker)) {
    const message = 'This Office file is protected by a password. Save it without one and upload it again.';
    return new ParseError('DOCUMENT_ENCRYPTED', message);
  }
  if (extension === 'zip') {
    const message = 'This is a zip archive. Unpack it and upload the files in it.';
    return new ParseError('DOCUMENT_UNSUPPORTED', message);
  }
  const what =
    extension === 'cfb' ? 'old Office format (.doc, .xls, .ppt)' : `format (${extension ?? 'unknown'})`;
  const advice = 'Save it as PDF, DOCX, XLSX, CSV, HTML or plain text.';
  return new ParseError('DOCUMENT_UNSUPPORTED', `This ${what} cannot be read. ${advice}`);
}
