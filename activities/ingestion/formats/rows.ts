// Rows of a table as text: one list item a row, each value under its column's name, so that a passage that holds a row
// says what its values are.

export type Cell = string | number | boolean | Date | null | undefined;

/** The first row names the columns where all its cells are different words; else the values stand by themselves. */
export function rowsAsText(rows: Iterable<readonly Cell[]>): string {
  let header: string[] | undefined;
  let first = true;
  const lines: string[] = [];
  for (const row of rows) {
    const cells = row.map(cellText);
    if (cells.every((cell) => cell === '')) continue;
    if (first) {
      first = false;
      if (namesColumns(cells)) {
        header = cells;
        continue;
      }
    }
    lines.push(`- ${itemOf(cells, header)}`);
  }
  // A table that has nothing but its first row.
  if (lines.length === 0 && header) lines.push(`- ${itemOf(header, undefined)}`);
  return lines.join('\n');
}

function itemOf(cells: readonly string[], header: readonly string[] | undefined): string {
  return cells
    .map((cell, column) => (cell !== '' && header?.[column] ? `${header[column]}: ${cell}` : cell))
    .filter((cell) => cell !== '')
    .join('; ');
}

function cellText(cell: Cell): string {
  if (cell === null || cell === undefined) return '';
  if (cell instanceof Date) {
    if (Number.isNaN(cell.getTime())) return '';
    const text = cell.toISOString();
    return text.endsWith('T00:00:00.000Z') ? text.slice(0, 10) : text.slice(0, 16).replace('T', ' ');
  }
  return String(cell).replace(/\s+/g, ' ').trim();
}

function namesColumns(cells: readonly string[]): boolean {
  const names = cells.filter((cell) => cell !== '');
  const distinct = new Set(names).size === names.length;
  return names.length > 1 && distinct && names.every((name) => name.length <= 80 && /^\p{L}/u.test(name));
}
