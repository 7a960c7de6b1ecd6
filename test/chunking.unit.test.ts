import { describe, expect, test } from 'vitest';
import { type Chunk, chunkText, embeddingText } from '../domain/chunking.ts';
import { plainText } from '../domain/markdown.ts';
import { sentences } from '../domain/sentences.ts';

const limits = { maxCharacters: 120, targetCharacters: 90 };
const sentencesOf = (text: string) =>
  [...sentences(text, { start: 0, end: text.length })].map(({ start, end }) => text.slice(start, end));

function expectSound(source: string, chunks: Chunk[], maximum: number) {
  let last = 0;
  const left: string[] = [];
  for (const [at, chunk] of chunks.entries()) {
    expect(chunk.ordinal).toBe(at);
    expect(source.slice(chunk.startOffset, chunk.endOffset)).toBe(chunk.text);
    expect(chunk.text).toBe(chunk.text.trim());
    expect(chunk.text.length).toBeGreaterThan(0);
    expect(chunk.text.length).toBeLessThanOrEqual(maximum);
    expect(chunk.text.isWellFormed()).toBe(source.isWellFormed());
    expect(chunk.startOffset).toBeGreaterThanOrEqual(last);
    left.push(source.slice(last, chunk.startOffset));
    last = chunk.endOffset;
  }
  left.push(source.slice(last));
  return left.join('');
}

/** Seeded, so that a failure can be repeated (mulberry32). */
function randomNumbers(seed: number) {
  return (below: number) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

describe('any text', () => {
  const parts = [
    'word ',
    'Dr. Who came. ',
    '今日は晴れです。',
    '🚚📦',
    'e\u0301'.repeat(40),
    'x'.repeat(200),
    '\n',
    '\r\n',
    '\n\n',
    '\r',
    '\t ',
    '\u00a0',
    '| a | b |\n',
    'a | b\n--- | ---\n',
    '- item\n',
    '  12. item two\n',
    '> quoted\n',
    '`code`',
    '[link](http://a.example/b)',
    '**b',
    '\\',
    '\u2028',
  ];
  const markup = ['# Title', '### Deep *one* ##', 'Setext\n======', '---', '```', '~~~js'].map(
    (line) => `\n\n${line}\n`,
  );

  test.each(Array.from({ length: 150 }, (_, seed) => seed))('is covered in order (seed %i)', (seed) => {
    const random = randomNumbers(seed);
    const pick = (from: string[]) => from[random(from.length)]!;
    const plain = Array.from({ length: random(120) }, () => pick(parts)).join('');
    // Without headings and dividers nothing but white space may lie outside the chunks.
    const withoutMarks = plain.replace(/^\s*---\s*$/gm, 'dash');
    expect(expectSound(withoutMarks, chunkText(withoutMarks, limits), 120).trim()).toBe('');
    // With them, only titles and marks may; a title is text where its section has nothing else.
    const mixed = Array.from({ length: random(120) }, () => pick(random(3) === 0 ? markup : parts)).join('');
    const outside = expectSound(mixed, chunkText(mixed, limits), 120);
    expect(outside.replace(/\s/g, '')).toMatch(/^(?:#+|Title|Deep\*one\*|Setext|=+|---)*$/);
  });
});

test('text without words gives no chunk', () => {
  for (const text of ['', ' \n\t\r\n ', '\uFEFF', '---\n\n***', '#\n##']) expect(chunkText(text)).toEqual([]);
});

test('chunks follow the headings, ATX and setext, and carry their path', () => {
  const source = `Before all.

# Shop **guide** #

Welcome.

Prices
------
All in euro.

#### Deep
Deeper text.
#NotAHeading

## Returns
\`\`\`sh
# not a heading
\`\`\`
Hello
--
Bob
`;
  expect(chunkText(source).map(({ headingPath, text }) => [headingPath, text])).toEqual([
    [[], 'Before all.'],
    [['Shop guide'], 'Welcome.'],
    [['Shop guide', 'Prices'], 'All in euro.'],
    [['Shop guide', 'Prices', 'Deep'], 'Deeper text.\n#NotAHeading'],
    [['Shop guide', 'Returns'], '```sh\n# not a heading\n```\nHello\n--\nBob'],
  ]);
});

test('only headings with nothing below them become text', () => {
  const chunks = chunkText('# A\n\n## B ##\n## C\ntext\n# D');
  expect(chunks.map(({ headingPath, text }) => [headingPath, text])).toEqual([
    [['A', 'B'], 'B'],
    [['A', 'C'], 'text'],
    [['D'], 'D'],
  ]);
});

test('paragraphs are packed to the target, long ones cut at sentences, long sentences at words', () => {
  const short = 'Eight words make up this one short sentence.';
  expect(chunkText(`${short}\n\n${short}\n\n${short}`, limits).map(({ text }) => text.length)).toEqual([
    90, 44,
  ]);
  for (const { text } of chunkText(`${short} `.repeat(20), limits))
    expect(text).toMatch(/^Eight.*sentence\.$/);
  for (const { text } of chunkText('seven77 '.repeat(200), limits)) expect(text).toMatch(/^(seven77 ?)+$/);
  for (const { text } of chunkText('🚚'.repeat(333), { maxCharacters: 17 })) expect(text).toMatch(/^(🚚)+$/u);
});

test('rows, items and fences that fit are not cut', () => {
  const row = '| Zone A | 4.90 euro | two to three days |';
  const table = chunkText(`| Zone | Price | Time |\n|---|---|---|\n${`${row}\n`.repeat(9)}`, limits);
  expect(table.length).toBeGreaterThan(3);
  for (const { text } of table) expect(text.split('\n').every((line) => /^\|.*\|$/.test(line))).toBe(true);
  const item = '- Bring the parcel. Then\n  wait for it.';
  for (const { text } of chunkText(`${item}\n`.repeat(9), limits))
    expect(text).toMatch(/^(- Bring[^-]*it\.\n?)+$/);
  const code = `\`\`\`\n${'let x = 1;\n\n'.repeat(6)}\`\`\``;
  const padding = 'This stands before the code and fills most of a chunk by itself, so the code goes on.';
  expect(chunkText(`${padding}\n\n${code}`, limits).map(({ text }) => text)).toEqual([padding, code]);
});

test('sentences of any language, past short forms, decimals and line ends', () => {
  expect(
    sentencesOf(
      'Dr. Smith paid $3.50 at\n5 p.m. yesterday. J. K. Rowling left. Am 3. Mai, z. B. abends! 今日は。明日。',
    ),
  ).toEqual([
    'Dr. Smith paid $3.50 at\n5 p.m. yesterday.',
    'J. K. Rowling left.',
    'Am 3. Mai, z. B. abends!',
    '今日は。',
    '明日。',
  ]);
});

const size = 5_000_000;
const monotonous = {
  words: 'word '.repeat(size / 5),
  'one sentence after the other': 'It is so. '.repeat(size / 10),
  'no space': 'x'.repeat(size),
  'only spaces between': `a${' '.repeat(size)}b`,
  'short lines': 'line\n'.repeat(size / 5),
  headings: '# h\n\nt\n'.repeat(size / 8),
  'heading marks': '#'.repeat(size),
  'unclosed fence': `\`\`\`\n${'code\n'.repeat(size / 5)}`,
  backticks: '`'.repeat(size),
  items: '- a\n'.repeat(size / 4),
  rows: '| a | b |\n'.repeat(size / 10),
  dividers: '- '.repeat(size / 2),
  initials: 'A. '.repeat(size / 3),
  'blank lines': '\n'.repeat(size),
};

// One that looked at every character once for every other would take hours.
test.each(Object.entries(monotonous))(
  'megabytes of %s are split',
  (_kind, source) => {
    const chunks = chunkText(source);
    for (const chunk of chunks) expect(chunk.text.length).toBeLessThan(10_000);
  },
  60_000,
);

test('plain text drops the markup and keeps the words', () => {
  expect(
    plainText('- **Zone A**: `4.90` _euro_, see [our *prices*](/prices "All") \\* snake_case_name 2 * 3 * 4'),
  ).toBe('Zone A: 4.90 euro, see our prices * snake_case_name 2 * 3 * 4');
});

test('what is embedded names title and headings once, and not at length', () => {
  expect(embeddingText('Returns', { headingPath: ['returns', 'Refunds'], text: 'Within 14 days.' })).toBe(
    'Returns\nRefunds\nWithin 14 days.',
  );
  expect(embeddingText('t'.repeat(500), { headingPath: ['a', 'b', 'c', 'd'], text: 'x' })).toBe(
    `${'t'.repeat(60)}\nc\nd\nx`,
  );
});
