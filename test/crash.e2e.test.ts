import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { turn } from '../domain/deadlines.ts';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';

// Real processes, killed with SIGKILL at chosen moments. A trigger that sleeps holds the moment open.

let environment: TestEnvironment;
let project: TestProject;
/** One heartbeat timeout and what a busy machine adds; without the heartbeat it would be the turn's whole deadline. */
const allowance = turn.deadline / 6;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
});
afterAll(() => environment?.close());

/** Makes every update of a table wait, and returns what ends that: the waiting backends and the trigger. */
async function holdUpdates(table: string): Promise<() => Promise<void>> {
  const { sql } = environment;
  await sql.unsafe(`
    create or replace function hold() returns trigger language plpgsql as 'begin perform pg_sleep(60); return new; end';
    create trigger hold before update on ${table} for each row execute function hold();`);
  return async () => {
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'frontdesk-worker' and wait_event = 'PgSleep'`;
    await sql.unsafe(`drop trigger hold on ${table}`);
  };
}

test('a worker killed in the middle of an answer: one answer, a few seconds later', async () => {
  const { url } = await environment.startApi();
  const api = createApiClient(url, project.key);
  const worker = await environment.startWorker();
  await api.ready(await api.upload('# Warranty\n\nEvery lamp has a warranty of 37 months.'));

  const release = await holdUpdates('turn_attempts');
  let killedAt = 0;
  const lines = await api.stream(
    '/v1/chat/turns',
    { message: 'How long is the warranty of a lamp?' },
    async (line) => {
      // The first words are on the visitor's screen.
      if (line.type !== 'token' || killedAt > 0) return;
      killedAt = Date.now();
      worker.kill('SIGKILL');
      await worker.exited;
      await release();
      await environment.startWorker();
    },
  );
  const waited = Date.now() - killedAt;

  expect(lines.map((line) => line.type)).toContain('reset');
  const done = lines.at(-1);
  expect(done).toMatchObject({ type: 'done', status: 'answered', attempt: 2 });
  expect(done.reply).toContain('37 months');
  const text = lines
    .slice(lines.findLastIndex((line) => line.type === 'reset'))
    .map((line) => line.text ?? '')
    .join('');
  expect(text).toBe(done.reply);
  expect(waited).toBeLessThan(allowance);

  const turns = await environment.sql`select status, reply from turns where id = ${done.turnId}`;
  expect(turns).toEqual([{ status: 'answered', reply: done.reply }]);
  const { json } = await api.call('GET', `/conversations/${lines[0].conversationId}/messages`);
  expect(json.messages).toHaveLength(2);
});

test('a worker killed in the middle of an ingestion: one complete document', async () => {
  const { url } = await environment.startApi();
  const api = createApiClient(url, project.key);
  const worker = await environment.startWorker();
  const sections = Array.from(
    { length: 400 },
    (_, n) => `## Part ${n}\n\nPart number ${n} costs ${n + 100} euros and weighs ${n} grams.`,
  );
  const documentId = await api.upload(`# Spare parts\n\n${sections.join('\n\n')}`);
  await eventually(async () => {
    const { progress } = (await api.call('GET', `/documents/${documentId}`)).json.document;
    return progress?.step === 'embedding' && progress.done > 60 ? true : undefined;
  });
  worker.kill('SIGKILL');
  await worker.exited;
  const before = (await api.call('GET', `/documents/${documentId}`)).json.document;
  expect(before.status).toBe('processing');

  await environment.startWorker();
  const document = await api.ready(documentId);
  expect(document.chunks).toBe(400);
  const [rows] =
    await environment.sql`select count(*)::int as chunks from chunks where document_id = ${documentId}`;
  expect(rows!.chunks).toBe(400);
  const { count } = await environment.elasticsearch.count({
    index: `${environment.indexPrefix}-chunks-*`,
    query: { term: { document_id: documentId } },
  });
  expect(count).toBe(400);
  expect((await api.ask('What does part number 217 cost?')).json.reply).toContain('317 euros');
});

test('an API killed right after its 202 loses nothing', async () => {
  // This API cannot reach Temporal, so it dies before it could start what it accepted.
  const doomed = await environment.startApi({ TEMPORAL_ADDRESS: '127.0.0.1:1' });
  const doomedApi = createApiClient(doomed.url, project.key);
  const documentId = await doomedApi.upload('# Repairs\n\nA repair takes nine working days.');
  const key = { 'idempotency-key': 'asked-before-the-crash' };
  const question = 'How many working days does a repair take?';
  const asked = doomedApi.ask(question, {}, key).catch((error: Error) => error);
  await eventually(async () => {
    const [row] = await environment.sql`select count(*)::int as dispatches from dispatches`;
    return row!.dispatches === 2 ? true : undefined;
  });
  doomed.kill('SIGKILL');
  expect(await asked).toBeInstanceOf(Error);

  const { url } = await environment.startApi();
  const api = createApiClient(url, project.key);
  await api.ready(documentId);
  // The client does what a careful client does: it repeats the call under the same key.
  const answer = await api.ask(question, {}, key);
  expect(answer.status, answer.text).toBe(200);
  const [row] = await environment.sql`select count(*)::int as turns from turns where question = ${question}`;
  expect(row!.turns).toBe(1);
  await eventually(async () => {
    const { waiting } = await environment.stores.dispatches.backlog();
    return waiting === 0 ? true : undefined;
  });
});

test('a worker that is told to stop drains: the turn under way is answered', async () => {
  const { url } = await environment.startApi();
  const api = createApiClient(url, project.key);
  const worker = await environment.startWorker();
  const questions = Array.from({ length: 20 }, () => api.ask('How long is the warranty of a lamp?'));
  worker.kill('SIGTERM');
  expect(await worker.exited).toBe(0);
  const answers = await Promise.all(questions);
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
});
