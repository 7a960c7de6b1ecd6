import { parse } from 'csv-parse/sync';
import { ParseError } from './parsed.ts';
import { rowsAsText } from './rows.ts';

const delimiters = [',', ';', '\t', '|'];

export function csvAsText(text: string): string {
  try {
    const rows: string[][] = parse(text, {
      delimiter: delimiterOf(text),
      bom: true,
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
    });
    return rowsAsText(rows);
  } catch (error) {
    const message = `This CSV file cannot be read (${(error as Error).message}). Check its quotes, or save it again.`;
    throw new ParseError('DOCUMENT_CORRUPT', message, { cause: error });
  }
}

/** The one that the first line has most of, outside quotes. */
function delimiterOf(text: string): string {
  const line = text
    .slice(0, 10_000)
    .split(/\r?\n|\r/, 1)[0]!
    .replaceAll(/"[^"]*"/g, '');
  const counts = delimiters.map((delimiter) => line.split(delimiter).length - 1);
  return delimiters[counts.indexOf(Math.max(...counts))]!;
}
