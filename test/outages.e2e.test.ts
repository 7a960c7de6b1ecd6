import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { readConfig } from '../config.ts';
import { signalGroup } from '../infra/local/processes.ts';
import type { Servers } from '../infra/local/stack.ts';
import type { Supervised } from '../infra/local/supervisor.ts';
import { startThrowAwayServers } from '../infra/local/throwaway.ts';
import { createApiClient, eventually } from './support/api-client.ts';
import { insertMail } from '../stores/postgres/mails.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import { createMailbox } from './support/mailbox.ts';
import type { RunningProcess } from './support/processes.ts';

// Servers that are away or hang for a while, with one API and one worker that live through all of it.

let servers: Servers;
let environment: TestEnvironment;
let worker: RunningProcess;
let api: ReturnType<typeof createApiClient>;

beforeAll(async () => {
  servers = await startThrowAwayServers('outages', {
    home: readConfig().FRONTDESK_HOME,
    downloads: ['model'],
    keepHistories: true,
  });
  environment = await createTestEnvironment(servers as never);
  const project = await environment.createProject();
  worker = await environment.startWorker();
  const { url } = await environment.startApi();
  api = createApiClient(url, project.key);
  await api.ready(await api.upload('# Warranty\n\nEvery lamp has a warranty of 37 months.'));
});
afterAll(async () => {
  await environment?.close();
  await servers?.stop();
});

const question = 'How long is the warranty of a lamp?';

/** Stops a process group, and waits until it stands still: on a busy machine it works on for a moment. */
async function freeze(leader: number): Promise<void> {
  signalGroup(leader, 'SIGSTOP');
  onTestFinished(() => signalGroup(leader, 'SIGCONT'));
  await eventually(async () => {
    const processes = execFileSync('ps', ['-e', '-o', 'pgid=,stat='], { encoding: 'utf8' }).split('\n');
    const states = processes
      .map((line) => line.trim().split(/\s+/))
      .filter(([group]) => group === `${leader}`);
    return states.every(([, state]) => /^[TZ]/.test(state!)) ? true : undefined;
  });
}

/** Stops a server in the middle of whatever it does: it keeps its connections and says nothing. */
async function hang(server: Supervised): Promise<() => Promise<void>> {
  const pid = server.pid!;
  await freeze(pid);
  return async () => signalGroup(pid, 'SIGCONT');
}

/** Kills a server and keeps its successor from starting. */
async function takeDown(server: Supervised): Promise<() => Promise<void>> {
  const before = server.pid;
  server.kill('SIGKILL');
  while (server.pid === undefined || server.pid === before) await sleep(1);
  const { pid } = server;
  await freeze(pid!);
  return async () => {
    signalGroup(pid, 'SIGCONT');
    await server.restarted();
  };
}

/** How long a call took, and its answer. */
async function timed<T>(call: Promise<T>): Promise<{ took: number; answer: T }> {
  const since = Date.now();
  const answer = await call;
  return { took: Date.now() - since, answer };
}

const outages = [
  ['hangs', hang],
  ['is down', takeDown],
] as const;

for (const [how, begin] of outages) {
  test(`Elasticsearch ${how}: uploads are accepted, questions wait, both finish afterwards`, async () => {
    const end = await begin(servers.processes.elasticsearch!);
    const ready = await timed(api.call('GET', '/ready'));
    expect(ready.answer.status).toBe(200);
    expect(ready.answer.json).toMatchObject({
      status: 'degraded',
      servers: { elasticsearch: { status: 'down' } },
    });
    expect(ready.took).toBeLessThan(4_000);

    const answer = api.ask(question);
    const documentId = await api.upload(`# Repairs\n\nA repair takes nine days while Elasticsearch ${how}.`);
    const search = await timed(api.call('POST', '/retrieval/search', { query: question }));
    expect(search.answer.json.code).toBe('SEARCH_UNAVAILABLE');
    expect(search.answer.headers.get('retry-after')).toBe('5');
    expect(search.took).toBeLessThan(7_000);
    await sleep(4_000);
    await end();
    expect((await answer).json.reply).toContain('37 months');
    await api.ready(documentId);
  });

  test(`Temporal ${how}: uploads and questions are accepted and finish afterwards`, async () => {
    const end = await begin(servers.processes.temporal!);
    const ready = await timed(api.call('GET', '/ready'));
    expect(ready.answer.json).toMatchObject({
      status: 'degraded',
      servers: { temporal: { status: 'down' } },
    });
    expect(ready.took).toBeLessThan(4_000);

    const answer = api.ask(question);
    const upload = await timed(
      api.upload(`# Gifts\n\nA gift card is valid for years while Temporal ${how}.`),
    );
    expect(upload.took).toBeLessThan(2_000);
    await eventually(async () => {
      const { waiting } = await environment.stores.dispatches.backlog();
      return waiting === 2 ? true : undefined;
    });
    // Longer than a start is waited for.
    await sleep(6_000);
    await end();
    expect((await answer).json.reply).toContain('37 months');
    await api.ready(upload.answer);
  });
}

for (const [how, begin] of outages) {
  test(`the mail server ${how}: a mail waits, says why, and arrives afterwards`, async () => {
    const end = await begin(servers.processes.mailbox!);
    const to = `${how.replaceAll(' ', '-')}@visitors.example`;
    const params = { code: '271828', minutes: 10 };
    const dispatch = await environment.sql.begin((tx) =>
      insertMail(tx, environment.encryption, {
        projectId: null,
        template: 'account_code',
        params,
        to,
        language: 'en',
      }),
    );
    const mail = async () => {
      const [row] = await environment.sql`select status, reason, attempts from mails where recipient = ${to}`;
      return row!;
    };
    await eventually(async () => ((await mail()).reason ? true : undefined));
    expect(await mail()).toMatchObject({ status: 'queued', reason: expect.stringContaining('SMTP:') });
    const { raw } = await environment.temporal.workflow.getHandle(dispatch.workflowId).describe();
    expect(raw.pendingActivities?.[0]?.lastFailure?.message).toContain('SMTP:');
    await end();
    const mailbox = createMailbox(servers.mailboxUrl!);
    expect(await mailbox.code(to)).toBe('271828');
    await eventually(async () => ((await mail()).status === 'sent' ? true : undefined));
  });
}

test('PostgreSQL is down: calls are refused at once, and everything works when it is back', async () => {
  const watching = api.ask(question);
  const end = await takeDown(servers.processes.postgres!);
  const ready = await timed(api.call('GET', '/ready'));
  expect(ready.answer.status).toBe(503);
  expect(ready.answer.json).toMatchObject({
    status: 'unavailable',
    servers: { postgresql: { status: 'down' } },
  });
  expect(ready.took).toBeLessThan(4_000);
  const calls = [
    api.ask(question),
    api.call('POST', '/upload-doc', { content: 'Nothing of this is kept.' }),
    api.call('GET', '/documents'),
    watching,
  ];
  for (const { took, answer } of await Promise.all(calls.map(timed))) {
    // The one that was asked before may have been answered before.
    if (answer.status === 200) continue;
    expect(answer.status, answer.text).toBe(503);
    expect(answer.json.code).toBe('SERVICE_UNAVAILABLE');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(took).toBeLessThan(7_000);
  }
  // Clients keep trying, and none of that may make it slower afterwards.
  for (let n = 0; n < 6; n += 1) {
    await Promise.all(Array.from({ length: 10 }, () => api.call('GET', '/documents')));
    await sleep(100);
  }
  await end();

  // More than the pool has connections: none of them may be spoiled.
  const { took, answer: answers } = await timed(
    Promise.all(Array.from({ length: 30 }, () => api.ask(question))),
  );
  expect(took).toBeLessThan(8_000);
  expect(new Set(answers.map(({ status, text }) => (status === 200 ? 200 : text)))).toEqual(new Set([200]));
  await api.ready(await api.upload('# Opening hours\n\nWe open at ten o’clock.'));
  expect(worker.output()).not.toMatch(/TypeError|UnhandledPromise/);
});

test('a read-only index is told in words, and ingestion goes on when it is writable', async () => {
  const { elasticsearch, indexPrefix, temporal } = environment;
  // Elasticsearch takes the block away by itself when it sees that the disk has room. Not meanwhile.
  await elasticsearch.cluster.putSettings({ transient: { 'cluster.info.update.interval': '10m' } });
  const block = async (value: boolean | null) => {
    await elasticsearch.indices.putSettings({
      index: `${indexPrefix}-chunks-*`,
      settings: { 'index.blocks.read_only_allow_delete': value },
    });
  };
  await block(true);
  const documentId = await api.upload('# Full disk\n\nThis document waits for 63 megabytes.');
  const words = /Elasticsearch: the index is read-only.*Free disk space/;
  const document = await eventually(async () => {
    const { json } = await api.call('GET', `/documents/${documentId}`);
    return json.document.progress?.problem ? json.document : undefined;
  });
  expect(document).toMatchObject({ status: 'processing', error: null, progress: { step: 'indexing' } });
  expect(document.progress.problem).toMatch(words);
  const { raw } = await temporal.workflow.getHandle(`ingest/${documentId}/v1`).describe();
  expect(raw.pendingActivities?.[0]?.lastFailure?.message).toMatch(words);
  // Answers do not need to write.
  expect((await api.ask(question)).json.reply).toContain('37 months');

  await block(null);
  const ready = await api.ready(documentId);
  expect(ready).toMatchObject({ progress: null, error: null, chunks: 1 });
});
