import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createApiClient } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';

let environment: TestEnvironment;
let api: ReturnType<typeof createApiClient>;
let other: ReturnType<typeof createApiClient>;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  const [ours, theirs] = await Promise.all([environment.createProject(), environment.createProject()]);
  // Two API processes: the promise does not depend on which one is called.
  const [first, second] = await Promise.all([
    environment.startApi(),
    environment.startApi(),
    environment.startWorker(),
  ]);
  api = createApiClient(first.url, ours.key);
  other = createApiClient(second.url, theirs.key);
  await api.ready(await api.upload('We are open from ten to six.'));
});
afterAll(() => environment?.close());

test('the same key gives the same answer, not a second turn', async () => {
  const key = { 'idempotency-key': 'question-1' };
  const answers = await Promise.all(Array.from({ length: 8 }, () => api.ask('When are you open?', {}, key)));
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
  expect(new Set(answers.map((answer) => answer.json.turnId)).size).toBe(1);
  expect(new Set(answers.map((answer) => answer.json.reply)).size).toBe(1);
  const later = await api.ask('When are you open?', {}, key);
  expect(later.json).toEqual(answers[0]!.json);
  const [row] =
    await environment.sql`select count(*)::int as turns from turns where question = 'When are you open?'`;
  expect(row!.turns).toBe(1);
});

test('the same key gives the same document, not a second one', async () => {
  const key = { 'idempotency-key': 'upload-1' };
  const ids = await Promise.all(
    Array.from({ length: 8 }, () => api.upload('Closed on Sundays.', { source: 'a' }, key)),
  );
  expect(new Set(ids).size).toBe(1);
});

test('the order of the fields does not matter, another body is refused', async () => {
  const key = { 'idempotency-key': 'upload-2' };
  const body = (fields: object) => api.call('POST', '/upload-doc', fields, key);
  const first = await body({ content: 'Parking is free.', metadata: { source: 'a', category: 'b' } });
  const same = await body({ metadata: { category: 'b', source: 'a' }, content: 'Parking is free.' });
  expect(same.json.document.id).toBe(first.json.document.id);
  const refused = await body({ content: 'Parking costs 2 euros.', metadata: { source: 'a', category: 'b' } });
  expect(refused.status).toBe(422);
  expect(refused.json.code).toBe('IDEMPOTENCY_KEY_REUSED');
});

test('a key belongs to its project and operation', async () => {
  const key = { 'idempotency-key': 'shared' };
  const ours = await api.upload('Ours.', {}, key);
  const theirs = await other.upload('Theirs.', {}, key);
  expect(theirs).not.toBe(ours);
  expect((await api.ask('When are you open?', {}, key)).status).toBe(200);
});
