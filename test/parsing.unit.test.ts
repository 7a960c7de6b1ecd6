import { describe, expect, test } from 'vitest';
import type { ContentHints, ParsedContent } from '../activities/ingestion/formats/parsed.ts';
import { createParser } from '../activities/ingestion/parser.ts';
import { docx, paragraph, pdf, wordTable, xlsx, zip } from './support/documents.ts';
import { entityBomb, externalEntity, pdfBomb, zipBomb } from './support/hostile.ts';

const parser = createParser();
const unknown: ContentHints = { mimeType: 'application/octet-stream', filename: null };
const read = async (
  content: Uint8Array | string,
  hints: Partial<ContentHints> = {},
): Promise<ParsedContent> =>
  await parser.parse(Buffer.from(content), { ...unknown, ...hints }, new AbortController().signal);
const text = async (...args: Parameters<typeof read>): Promise<string> => (await read(...args)).text;

describe('reads', () => {
  test('a PDF page by page, with headings, words divided at line ends, and tables row by row', async () => {
    const parsed = await read(
      pdf([
        [
          { text: 'Shipping', x: 50, y: 780, size: 20 },
          { text: 'We ship to Nor-', x: 50, y: 740 },
          { text: 'way in four days.', x: 50, y: 726 },
          { text: 'Country', x: 50, y: 690 },
          { text: 'Days', x: 250, y: 690 },
          { text: 'Price', x: 350, y: 690 },
          { text: 'Norway', x: 50, y: 674 },
          { text: '4', x: 250, y: 674 },
          { text: '19 euros', x: 350, y: 674 },
          { text: 'Germany', x: 50, y: 658 },
          { text: '2', x: 250, y: 658 },
          { text: '5 euros', x: 350, y: 658 },
        ],
        [{ text: 'Returns are free.', x: 50, y: 780 }],
      ]),
    );
    expect(parsed.mimeType).toBe('application/pdf');
    expect(parsed.text).toBe(
      '## Shipping\n\nWe ship to Norway in four days.\n\n' +
        '- Country: Norway; Days: 4; Price: 19 euros\n- Country: Germany; Days: 2; Price: 5 euros\n\n' +
        'Returns are free.',
    );
    expect(parsed.pageStarts).toEqual([0, parsed.text.indexOf('Returns')]);
  });

  test('the columns of a PDF one after the other, below a title over both', async () => {
    const column = (x: number, name: string) =>
      Array.from({ length: 8 }, (_, n) => ({
        text: `The ${name} column has line ${n} here.`,
        x,
        y: 700 - 14 * n,
      }));
    const page = await text(
      pdf([
        [
          { text: 'A title that goes over both of the columns of this page', x: 50, y: 780, size: 18 },
          ...column(50, 'left'),
          ...column(320, 'right'),
        ],
      ]),
    );
    expect(page.startsWith('## A title')).toBe(true);
    expect(page.indexOf('left column has line 7')).toBeLessThan(page.indexOf('right column has line 0'));
  });

  test('a Word document with its headings and tables', async () => {
    const parsed = await read(
      docx(
        paragraph('Gift cards', 'Heading1') +
          paragraph('They are valid for 41 months.') +
          wordTable([
            ['Card', 'Price'],
            ['Small', '10 euros'],
          ]),
      ),
    );
    expect(parsed.mimeType).toMatch(/wordprocessingml/);
    expect(parsed.text).toContain('# Gift cards\n\nThey are valid for 41 months.');
    expect(parsed.text).toContain('- Card: Small; Price: 10 euros');
  });

  test('a workbook row by row under the names of its columns', async () => {
    const parsed = await read(
      xlsx([
        ['name', 'price'],
        ['lamp', 12],
        ['chair', 49.5],
      ]),
    );
    expect(parsed.text).toBe('# Prices\n\n- name: lamp; price: 12\n- name: chair; price: 49.5');
  });

  test('CSV with quotes, semicolons and a byte order mark', async () => {
    const csv = '\uFEFFname;note\nlamp;"bright; and ""warm"""\n';
    const parsed = await read(csv, { filename: 'prices.csv' });
    expect(parsed).toEqual({
      mimeType: 'text/csv',
      text: '- name: lamp; note: bright; and "warm"',
      pageStarts: null,
    });
  });

  test('JSON by paths', async () => {
    const parsed = await read(
      JSON.stringify([{ name: 'lamp', price: { amount: 12, unit: 'EUR' }, colours: ['red', 'blue'] }]),
    );
    expect(parsed.mimeType).toBe('application/json');
    expect(parsed.text).toBe('- name: lamp; price.amount: 12; price.unit: EUR; colours: red, blue');
  });

  test('HTML without scripts and addresses', async () => {
    const parsed = await read(
      '<!doctype html><html><head><title>x</title><script>evil()</script></head><body><h1>Returns</h1>' +
        '<p>Send it <a href="https://shop.example/returns">back</a> within <b>30 days</b>.</p>' +
        '<table><tr><th>Item</th><th>Days</th></tr><tr><td>Lamp</td><td>30</td></tr></table></body></html>',
    );
    expect(parsed.text).toBe('# Returns\n\nSend it back within **30 days**.\n\n- Item: Lamp; Days: 30');
  });

  test.each([
    ['UTF-8', Buffer.from('Größe: 12 €')],
    ['UTF-16 with a mark', Buffer.from('\uFEFFGröße: 12 €', 'utf16le')],
    ['UTF-16 without', Buffer.from('Größe: 12 Euro, und noch etwas mehr', 'utf16le')],
    ['Windows-1252', Buffer.from('Gr\xf6\xdfe: 12 \x80', 'latin1')],
  ])('text in %s', async (_name, bytes) => {
    expect(await text(bytes)).toContain('Größe: 12');
  });

  test('what it is by its content and not by its name', async () => {
    const named = { mimeType: 'text/plain', filename: 'notes.txt' };
    expect((await read(pdf([[{ text: 'Hello there', x: 50, y: 700 }]]), named)).mimeType).toBe(
      'application/pdf',
    );
    expect((await read(xlsx([['a lamp']]), named)).mimeType).toMatch(/spreadsheetml/);
    expect((await read('BM is how this text begins.', { mimeType: 'image/bmp' })).mimeType).toBe(
      'text/plain',
    );
  });
});

describe('refuses with a reason', () => {
  test.each<[string, () => Uint8Array | string, Partial<ContentHints>, string, RegExp]>([
    ['an empty file', () => '', {}, 'DOCUMENT_EMPTY', /empty/],
    ['a file of blanks', () => ' \n\n ', {}, 'DOCUMENT_EMPTY', /no text/],
    [
      'an encrypted PDF',
      () => pdf([[{ text: 'x', x: 1, y: 1 }]], { encrypted: true }),
      {},
      'DOCUMENT_ENCRYPTED',
      /password/,
    ],
    ['a PDF of pictures', () => pdf([[]]), {}, 'DOCUMENT_WITHOUT_TEXT', /OCR/],
    [
      'half a PDF',
      () => pdf([[{ text: 'x', x: 1, y: 1 }]]).subarray(0, 60),
      {},
      'DOCUMENT_CORRUPT',
      /damaged/,
    ],
    [
      'half a Word document',
      () => docx(paragraph('x')).subarray(0, 700),
      {},
      'DOCUMENT_',
      /damaged|cannot be read/,
    ],
    [
      'a picture',
      () => Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'),
      { filename: 'a.txt' },
      'DOCUMENT_UNSUPPORTED',
      /png/,
    ],
    [
      'a zip archive',
      () => zip({ 'a.bin': new Uint8Array([0, 1, 2, 3]) }),
      {},
      'DOCUMENT_UNSUPPORTED',
      /Unpack/,
    ],
    [
      'an encrypted Office file',
      () =>
        Buffer.concat([
          Buffer.from('d0cf11e0a1b11ae1', 'hex'),
          Buffer.alloc(600),
          Buffer.from('EncryptedPackage', 'utf16le'),
          Buffer.alloc(600),
        ]),
      {},
      'DOCUMENT_ENCRYPTED',
      /password/,
    ],
    [
      'an old Word document',
      () => Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.alloc(1200)]),
      {},
      'DOCUMENT_UNSUPPORTED',
      /old Office/,
    ],
    ['a zip bomb', zipBomb, {}, 'DOCUMENT_TOO_COMPLEX', /200 MB/],
    [
      'HTML nested 200,000 deep',
      () => `<html>${'<div>'.repeat(200_000)}x`,
      {},
      'DOCUMENT_TOO_COMPLEX',
      /deeply|too much/,
    ],
    [
      'bytes at random',
      () => Buffer.from(Array.from({ length: 5_000 }, (_, n) => (n * 7919) % 256)),
      {},
      'DOCUMENT_UNSUPPORTED',
      /cannot be read/,
    ],
  ])('%s', { timeout: 150_000 }, async (_name, make, hints, code, message) => {
    const error = await read(make(), hints).then(
      (parsed) => parsed.text.slice(0, 200),
      (thrown) => thrown,
    );
    expect(error).toMatchObject({
      type: expect.stringContaining(code),
      message: expect.stringMatching(message),
      nonRetryable: true,
    });
  });
});

describe('survives', () => {
  test('a PDF bomb: it ends, within the limits, and the next one is read', { timeout: 150_000 }, async () => {
    const before = process.memoryUsage().rss;
    const error = await read(pdfBomb()).catch((thrown) => thrown);
    expect(error).toMatchObject({ type: expect.stringMatching(/^DOCUMENT_/) });
    expect(process.memoryUsage().rss - before).toBeLessThan(4e9);
    expect(await text('Still there.')).toBe('Still there.');
  });

  test('external entities: nothing is fetched, no file is read', async () => {
    for (const content of [
      docx(paragraph('A &e; B'), { doctype: externalEntity }),
      xlsx([['A &e; B']], { doctype: externalEntity }),
    ]) {
      const found = await text(content).catch((error) => error.message);
      expect(found).not.toContain('root:');
    }
  });

  test('entities that multiply', { timeout: 150_000 }, async () => {
    const found = await text(docx(paragraph('A &i; B'), { doctype: entityBomb })).catch(
      (error) => error.message,
    );
    expect(found.length).toBeLessThan(10_000);
  });

  test('10 MB on one line, as text, JSON, CSV and HTML', { timeout: 150_000 }, async () => {
    const line = 'We ship to Norway. '.repeat(550_000);
    expect(await text(line)).toBe(line);
    expect((await text(JSON.stringify({ line }))).length).toBeGreaterThan(10_000_000);
    expect((await text(`name,line\nx,${line}`, { filename: 'a.csv' })).length).toBeGreaterThan(10_000_000);
    expect((await text(`<html><body><p>${line}</p></body></html>`)).length).toBeGreaterThan(10_000_000);
  });

  test('JSON nested 100,000 deep', async () => {
    const found = await text(`${'['.repeat(100_000)}1${']'.repeat(100_000)}`).catch((error) => error.message);
    expect(found).toBeTruthy();
  });

  test('a document with macros: its text is read, the macros are not run', async () => {
    expect(await text(docx(paragraph('Hello there'), { macros: true }))).toBe('Hello there');
  });
});
