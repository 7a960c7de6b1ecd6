import mammoth from 'mammoth';
import readSheets from 'read-excel-file/node';
import { htmlAsMarkdown } from './html.ts';
import { ParseError } from './parsed.ts';
import { rowsAsText } from './rows.ts';

/** A Word document's text. Macros are not run, pictures are left out. */
export async function docxAsMarkdown(content: Uint8Array): Promise<string> {
  const { value } = await readable('Word document', () =>
    mammoth.convertToHtml(
      { buffer: Buffer.from(content) },
      { convertImage: mammoth.images.imgElement(async () => ({ src: '' })) },
    ),
  );
  return htmlAsMarkdown(value);
}

/** A workbook's cells, sheet by sheet, with the values that its formulas had when it was saved. */
export async function xlsxAsText(content: Uint8Array): Promise<string> {
  const sheets = await readable('workbook', () => readSheets(Buffer.from(content)));
  return sheets
    .map(({ sheet, data }) => ({ sheet, text: rowsAsText(data as never) }))
    .filter(({ text }) => text !== '')
    .map(({ sheet, text }) => `# ${sheet}\n\n${text}`)
    .join('\n\n');
}

async function readable<T>(what: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof RangeError) throw error;
    const message = `This ${what} is damaged (${(error as Error).message.slice(0, 200)}). Open it and save it again.`;
    throw new ParseError('DOCUMENT_CORRUPT', message, { cause: error });
  }
}
