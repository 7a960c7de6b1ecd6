import { expect, test } from 'vitest';
import { titleOf } from '../domain/ingestion.ts';

test.each([
  ['# Opening hours\n\nWe are open.', 'Opening hours'],
  ['Intro line\n\n## Shipping ##\n', 'Shipping'],
  ['We ship to Norway.\nAnd elsewhere.', 'We ship to Norway.'],
  ['  \n\nLate start', 'Late start'],
  [`# ${'long '.repeat(40)}`, `${'long '.repeat(15)}long…`],
])('the title of %j', (content, title) => {
  expect(titleOf(content)).toBe(title);
});
