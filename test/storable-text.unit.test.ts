import { expect, test } from 'vitest';
import { storable } from '../api/plugins/storable-text.ts';

test('what PostgreSQL cannot store is replaced, at any depth and in names', () => {
  expect(storable({ a: ['x\0y', { 'k\ud800': 'cut \ud83d' }], n: 1, z: null })).toEqual({
    a: ['x\ufffdy', { 'k\ufffd': 'cut \ufffd' }],
    n: 1,
    z: null,
  });
});

test('everything else stays the very same value', () => {
  const body = { text: 'whole \u{1F600} ä', list: [1, true, 'x'], deep: { a: {} } };
  expect(storable(body)).toBe(body);
  const buffer = Buffer.from('\0');
  expect(storable(buffer)).toBe(buffer);
  expect(storable(undefined)).toBeUndefined();
});
