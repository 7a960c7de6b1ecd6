import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import * as deadlines from '../domain/deadlines.ts';

test('docs/deadlines.md lists every constant with its value, and no other', async () => {
  const page = await readFile(new URL('../docs/deadlines.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| `([\w.]+)` \| ([^|]+) \|/gm)].map(([, name, value]) => [name, value]);
  expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(constantsOf(deadlines)));
  expect(listed).toHaveLength(constantsOf(deadlines).length);
});

/** Names as in the page, "turn.retry.maximumInterval", with values as people read them. */
function constantsOf(value: object, path = ''): [name: string, value: string][] {
  return Object.entries(value).flatMap(([key, part]): [string, string][] =>
    typeof part === 'object' ? constantsOf(part, `${path}${key}.`) : [[path + key, inWords(key, part)]],
  );
}

function inWords(name: string, value: number): string {
  if (name === 'batch' || name === 'backoffCoefficient' || name.endsWith('Days')) return String(value);
  const units = { h: 3_600_000, min: 60_000, s: 1_000 };
  for (const [unit, length] of Object.entries(units))
    if (value % length === 0) return `${value / length} ${unit}`;
  return `${value} ms`;
}
