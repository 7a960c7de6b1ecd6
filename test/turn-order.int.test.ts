// One conversation over several APIs and workers: its turns are answered one after the other, in the order of their acceptance.
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';

let environment: TestEnvironment;
let project: TestProject;
let apis: ReturnType<typeof createApiClient>[];

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  const servers = await Promise.all([environment.startApi(), environment.startApi()]);
  apis = servers.map(({ url }) => createApiClient(url, project.key));
  await Promise.all([environment.startWorker(), environment.startWorker()]);
  await apis[0]!.ready(await apis[0]!.upload('# Shipping\n\nShipping to Norway costs 19 euros.'));
});
afterAll(() => environment?.close());

const question = 'What does shipping to Norway cost?';

interface Row {
  question: string;
  status: string;
  startedAt: Date;
  finishedAt: Date;
}

async function answered(conversationId: string, count: number): Promise<Row[]> {
  return await eventually(async () => {
    const rows = await environment.sql<Row[]>`
      select question, status, started_at, finished_at from turns
      where conversation_id = ${conversationId} order by position`;
    return rows.length === count && rows.every(({ finishedAt }) => finishedAt !== null)
      ? [...rows]
      : undefined;
  });
}

/** Each begins when the one before it has ended, and not earlier. */
function expectOneAtATime(rows: readonly Row[]): void {
  for (const [at, row] of rows.entries()) {
    expect(row.status).toBe('answered');
    if (at > 0) expect(row.startedAt.getTime()).toBeGreaterThanOrEqual(rows[at - 1]!.finishedAt.getTime());
  }
}

/** Asks one of the APIs. `accepted` is there with the first frame, `ended` with the last. */
function ask(n: number, message: string, conversationId: string) {
  const accepted = Promise.withResolvers<void>();
  const ended = apis[n % apis.length]!.stream('/v1/chat/turns', { message, conversationId }, () =>
    accepted.resolve(),
  );
  return { accepted: accepted.promise, ended };
}

test('messages that are sent in turn to two APIs while an answer runs keep their order', async () => {
  const { conversationId } = (await apis[0]!.ask(question)).json;
  const messages = Array.from({ length: 8 }, (_, n) => `${question}${'?'.repeat(n + 1)}`);
  const readers = [];
  for (const [n, message] of messages.entries()) {
    const { accepted, ended } = ask(n, message, conversationId);
    await accepted;
    readers.push(ended);
  }
  for (const lines of await Promise.all(readers))
    expect(lines.at(-1)).toMatchObject({ type: 'done', status: 'answered' });
  const rows = await answered(conversationId, 9);
  expect(rows.map((row) => row.question)).toEqual([question, ...messages]);
  expectOneAtATime(rows);
});

test('sent all at once, each is answered once, one after the other', async () => {
  const { conversationId } = (await apis[0]!.ask(question)).json;
  const messages = Array.from({ length: 12 }, (_, n) => `${question}${'?'.repeat(n + 1)}`);
  const ends = await Promise.all(messages.map((message, n) => ask(n, message, conversationId).ended));
  expect(new Set(ends.map((lines) => lines.at(-1).turnId)).size).toBe(messages.length);
  const rows = await answered(conversationId, 13);
  expect(rows.map((row) => row.question).sort()).toEqual([question, ...messages].sort());
  expectOneAtATime(rows);
});
