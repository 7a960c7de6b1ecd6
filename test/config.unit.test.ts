import { expect, test } from 'vitest';
import { readConfig, required } from '../config.ts';

test('an empty environment gives the defaults', () => {
  const config = readConfig({});
  expect(config).toMatchObject({
    PORT: 3000,
    MAX_CONTENT_BYTES: 52_428_800,
    WORKER_QUEUES: ['chat', 'ingestion'],
  });
});

test('empty variables count as absent, DB_URL stands in for DATABASE_URL', () => {
  const config = readConfig({ DATABASE_URL: '', DB_URL: 'postgres://localhost/a' });
  expect(config.DATABASE_URL).toBe('postgres://localhost/a');
});

test('every bad variable is named at once', () => {
  const read = () => readConfig({ PORT: 'many', DATABASE_URL: 'not a url', WORKER_QUEUES: 'chat,mail' });
  expect(read).toThrow(/PORT/);
  expect(read).toThrow(/DATABASE_URL/);
  expect(read).toThrow(/WORKER_QUEUES/);
});

test('address ranges are read as ranges', () => {
  const { OUTBOUND_ALLOWED_RANGES } = readConfig({ OUTBOUND_ALLOWED_RANGES: '127.0.0.1, fd00::/8' });
  expect(OUTBOUND_ALLOWED_RANGES.map(([address, length]) => `${address}/${length}`)).toEqual([
    '127.0.0.1/32',
    'fd00::/8',
  ]);
  for (const wrong of ['intranet', '10.0.0.0/64', '10'])
    expect(() => readConfig({ OUTBOUND_ALLOWED_RANGES: wrong })).toThrow(/OUTBOUND_ALLOWED_RANGES/);
});

test('what a process cannot do without is asked for by name', () => {
  expect(() => required(readConfig({}), 'DATABASE_URL')).toThrow('DATABASE_URL is not set');
});
