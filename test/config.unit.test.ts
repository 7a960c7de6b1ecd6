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

test('what a process cannot do without is asked for by name', () => {
  expect(() => required(readConfig({}), 'DATABASE_URL')).toThrow('DATABASE_URL is not set');
});
