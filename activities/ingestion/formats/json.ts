/** Deeper values are written as JSON: nobody reads such paths. */
const maxDepth = 8;

/**
 * JSON as text: an array of objects row by row, each value under its path ("price.amount: 12"); other values likewise.
 */
export function jsonAsText(value: unknown): string {
  if (Array.isArray(value)) return value.map((entry) => `- ${itemOf(entry)}`).join('\n');
  if (!isObject(value)) return String(value);
  const parts: string[] = [];
  const plain: string[] = [];
  for (const [key, entry] of Object.entries(value)) {
    if (Array.isArray(entry) && entry.some(isObject)) parts.push(`## ${key}\n\n${jsonAsText(entry)}`);
    else if (isObject(entry)) parts.push(`## ${key}\n\n- ${itemOf(entry)}`);
    else plain.push(`- ${key}: ${itemOf(entry)}`);
  }
  return [plain.join('\n'), ...parts].filter((part) => part !== '').join('\n\n');
}

function itemOf(value: unknown): string {
  const values = [...valuesOf(value, '', 0)];
  return values.map(([path, text]) => (path === '' ? text : `${path}: ${text}`)).join('; ');
}

function* valuesOf(value: unknown, path: string, depth: number): Generator<[path: string, text: string]> {
  if (value === null || value === undefined || value === '') return;
  if (Array.isArray(value) && !value.some(isObject)) yield [path, value.map(String).join(', ')];
  else if (typeof value !== 'object') yield [path, String(value).replace(/\s+/g, ' ').trim()];
  else if (depth === maxDepth) yield [path, JSON.stringify(value)];
  else {
    for (const [key, entry] of Object.entries(value)) {
      yield* valuesOf(entry, path === '' ? key : `${path}.${key}`, depth + 1);
    }
  }
}

const isObject = (value: unknown): value is object => value !== null && typeof value === 'object';
