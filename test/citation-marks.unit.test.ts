import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createShownText } from '../api/compat/shown-text.ts';
import { ndjsonOf } from '../api/compat/ndjson.ts';
import type { Frame } from '../domain/chat.ts';
import { createMarkFilter, withoutMarks } from '../domain/citation-marks.ts';

test('marks go with the space before them; links, years and other brackets stay', () => {
  expect(withoutMarks('A lamp costs 40 euros [1]. We ship it [2][12] on Mondays[3].\n[4]')).toBe(
    'A lamp costs 40 euros. We ship it on Mondays.\n',
  );
  for (const text of ['[1](https://shop.example)', 'in [2024]', '[ ] to do', '[a]', 'x []', '[1', '1]'])
    expect(withoutMarks(text)).toBe(text);
});

test('in parts: a mark over two tokens goes, too, and nothing is shown that the whole text lacks', () => {
  const letter = fc.constantFrom('[', ']', '(', ')', '1', '23', ' ', '\n', '\t', 'a', '.');
  fc.assert(
    fc.property(fc.array(fc.array(letter, { maxLength: 4 }), { maxLength: 12 }), (pieces) => {
      const parts = pieces.map((piece) => piece.join(''));
      const filter = createMarkFilter();
      let shown = '';
      for (const part of parts) {
        shown += filter(part);
        expect(withoutMarks(parts.join('')).startsWith(shown)).toBe(true);
      }
      // A letter can belong to no mark: all that was held comes with it.
      expect(shown + filter('x')).toBe(withoutMarks(`${parts.join('')}x`));
    }),
    { numRuns: 5000 },
  );
});

const position = { turnId: 't', attempt: 1, seq: 1 };
const token = (text: string): Frame => ({ ...position, type: 'token', text });
const done = (reply: string): Frame => ({
  ...position,
  type: 'done',
  status: 'answered',
  reply,
  sources: [],
  closest: [],
});

test('what a client shows adds up to the whole answer, also when its end or another attempt comes', () => {
  const textOf = createShownText();
  const frames = [token('It costs ['), token('1'), token('] forty'), token(' euros [2]')];
  expect([...frames, done('It costs [1] forty euros [2]')].map(textOf).join('')).toBe('It costs forty euros');

  const again = createShownText();
  const reset: Frame = { ...position, type: 'reset' };
  expect([token('Wrong ['), reset, token('1] Right'), done('1] Right')].map(again).join('')).toBe(
    'Wrong\n\n1] Right',
  );
});

test('the NDJSON lines: streamed and final text alike', () => {
  const linesOf = ndjsonOf('c');
  const lines = [token('Forty [1'), token(']'), done('Forty [1]')].flatMap(linesOf);
  expect(lines).toEqual([
    { type: 'token', token: 'Forty' },
    { type: 'done', message: 'Forty', conversationId: 'c' },
  ]);
});
