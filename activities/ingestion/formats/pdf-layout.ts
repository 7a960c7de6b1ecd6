// A page of a PDF knows where each piece of text stands, and nothing of lines, columns, paragraphs or tables. Pure.
import { rowsAsText } from './rows.ts';

/** A piece of text; x and y are its lower left corner in points, y upwards. */
export interface TextPiece {
  text: string;
  x: number;
  y: number;
  width: number;
  /** Of its letters. */
  height: number;
}

interface Line {
  /** Parts of the line with wide gaps between them: one in running text, several in a table's row. */
  cells: { text: string; x: number; end: number }[];
  y: number;
  height: number;
}

/** Measured in letter heights. */
const gapBetweenCells = 1.4;
const gapBetweenWords = 0.15;
const gapBetweenColumns = 0.9;
const gapBetweenParagraphs = 1.75;
/** A column of running text has lines of this many characters on average; a table's column rarely has. */
const columnCharacters = 22;
const columnLines = 4;
const depth = 8;

/** The text of one page as Markdown, in reading order. */
export function pageAsMarkdown(pieces: readonly TextPiece[]): string {
  const visible = pieces.filter((piece) => piece.text.trim() !== '' && piece.height > 0);
  const body = median(
    visible.flatMap((piece) => Array<number>(Math.min(piece.text.length, 200)).fill(piece.height)),
  );
  return regions(visible, depth)
    .map((region) => linesAsMarkdown(linesOf(region), body))
    .filter((text) => text !== '')
    .join('\n\n');
}

/** Columns of running text one after the other, each as a region of its own. */
function regions(pieces: readonly TextPiece[], left: number): (readonly TextPiece[])[] {
  if (pieces.length < 2 * columnLines || left === 0) return [pieces];
  const gutter = gutterOf(pieces);
  if (gutter !== undefined) {
    const before = pieces.filter((piece) => piece.x < gutter);
    const after = pieces.filter((piece) => piece.x >= gutter);
    if (isRunningText(before) && isRunningText(after))
      return [...regions(before, left - 1), ...regions(after, left - 1)];
  }
  // A title or a footer over the whole width hides the gutter below or above it: look on either side of the widest gap.
  const cut = widestGap(pieces);
  if (cut === undefined) return [pieces];
  const above = regions(
    pieces.filter((piece) => piece.y >= cut),
    left - 1,
  );
  const below = regions(
    pieces.filter((piece) => piece.y < cut),
    left - 1,
  );
  return above.length + below.length > 2 ? [...above, ...below] : [pieces];
}

/** Where a blank strip runs down the whole region. */
function gutterOf(pieces: readonly TextPiece[]): number | undefined {
  const spans = pieces.map(({ x, width }) => [x, x + width] as const).sort((a, b) => a[0] - b[0]);
  const wide = gapBetweenColumns * median(pieces.map((piece) => piece.height));
  let end = spans[0]![1];
  for (const [start, next] of spans) {
    if (start - end >= wide) return start;
    end = Math.max(end, next);
  }
  return undefined;
}

function isRunningText(pieces: readonly TextPiece[]): boolean {
  const lines = linesOf(pieces);
  const characters = lines.reduce(
    (sum, { cells }) => sum + cells.reduce((n, { text }) => n + text.length, 0),
    0,
  );
  return lines.length >= columnLines && characters / lines.length >= columnCharacters;
}

function widestGap(pieces: readonly TextPiece[]): number | undefined {
  const lines = linesOf(pieces);
  let widest = 0;
  let cut: number | undefined;
  for (const [at, line] of lines.slice(1).entries()) {
    const gap = lines[at]!.y - line.y;
    if (gap > widest) [widest, cut] = [gap, (lines[at]!.y + line.y) / 2];
  }
  return cut;
}

/** From top to bottom. */
function linesOf(pieces: readonly TextPiece[]): Line[] {
  const lines: { pieces: TextPiece[]; y: number; height: number }[] = [];
  for (const piece of [...pieces].sort((a, b) => b.y - a.y || a.x - b.x)) {
    const line = lines.at(-1);
    if (line && line.y - piece.y < 0.5 * Math.max(line.height, piece.height)) {
      line.pieces.push(piece);
      line.height = Math.max(line.height, piece.height);
    } else {
      lines.push({ pieces: [piece], y: piece.y, height: piece.height });
    }
  }
  return lines.map(({ pieces: own, y, height }) => ({ y, height, cells: cellsOf(own, height) }));
}

function cellsOf(pieces: readonly TextPiece[], height: number): Line['cells'] {
  const cells: Line['cells'] = [];
  for (const { text, x, width } of [...pieces].sort((a, b) => a.x - b.x)) {
    const cell = cells.at(-1);
    const gap = cell ? x - cell.end : Number.POSITIVE_INFINITY;
    if (!cell || gap > gapBetweenCells * height) cells.push({ text, x, end: x + width });
    else {
      const apart = gap > gapBetweenWords * height && !/\s$/.test(cell.text) && !/^\s/.test(text);
      cell.text += apart ? ` ${text}` : text;
      cell.end = Math.max(cell.end, x + width);
    }
  }
  return cells.map((cell) => ({ ...cell, text: cell.text.replace(/\s+/g, ' ').trim() }));
}

function linesAsMarkdown(lines: readonly Line[], body: number): string {
  const blocks: string[] = [];
  let paragraph: Line[] = [];
  const flush = () => {
    if (paragraph.length > 0) blocks.push(paragraphOf(paragraph, body));
    paragraph = [];
  };
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at]!;
    const table = tableFrom(lines, at);
    if (table.length > 1) {
      flush();
      blocks.push(rowsAsText(gridOf(table)));
      at += table.length - 1;
      continue;
    }
    const before = paragraph.at(-1);
    const apart =
      before &&
      (before.y - line.y > gapBetweenParagraphs * before.height ||
        Math.abs(before.height - line.height) > 0.15 * body);
    if (apart) flush();
    paragraph.push(line);
  }
  flush();
  return blocks.filter((block) => block !== '').join('\n\n');
}

function paragraphOf(lines: readonly Line[], body: number): string {
  const text = lines
    .map(({ cells }) => cells.map((cell) => cell.text).join(' '))
    .reduce((joined, next) =>
      // A word that was divided at the end of a line.
      /\p{Ll}-$/u.test(joined) && /^\p{Ll}/u.test(next) ? joined.slice(0, -1) + next : `${joined} ${next}`,
    );
  const isHeading = lines.length <= 2 && lines[0]!.height >= 1.15 * body && text.length <= 150;
  return isHeading ? `## ${text}` : text;
}

/** The lines from `at` on that are rows of one table: several cells each, and close below one another. */
function tableFrom(lines: readonly Line[], at: number): Line[] {
  const rows: Line[] = [];
  for (const line of lines.slice(at, at + 1_000)) {
    const before = rows.at(-1);
    if (line.cells.length < 2 || (before && before.y - line.y > 3 * before.height)) break;
    if (before && !line.cells.some((cell) => before.cells.some((other) => overlaps(cell, other)))) break;
    rows.push(line);
  }
  return rows;
}

const overlaps = (a: { x: number; end: number }, b: { x: number; end: number }) => a.x < b.end && b.x < a.end;

/** Rows with every cell in its column: the columns of the row that has most. */
function gridOf(rows: readonly Line[]): string[][] {
  const columns = rows.reduce(
    (most, { cells }) => (cells.length > most.length ? cells : most),
    rows[0]!.cells,
  );
  return rows.map(({ cells }) => {
    const grid = Array<string>(columns.length).fill('');
    for (const cell of cells) {
      const distances = columns.map((column) =>
        overlaps(cell, column) ? 0 : Math.min(Math.abs(cell.x - column.end), Math.abs(column.x - cell.end)),
      );
      const nearest = distances.indexOf(Math.min(...distances));
      grid[nearest] = `${grid[nearest]} ${cell.text}`.trim();
    }
    return grid;
  });
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
