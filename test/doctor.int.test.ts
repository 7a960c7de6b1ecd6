import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { Finding } from '../cli/finding.ts';
import { saveEnvironment } from '../infra/local/environment-file.ts';
import { isLock, takeLock } from '../infra/local/lock.ts';
import { localEmbeddingSpace } from '../providers/local/embedder.ts';
import { type ChunkIndex, createChunkIndex } from '../stores/elasticsearch/chunk-index.ts';
import { newId } from '../stores/postgres/ids.ts';
import { createApiClient } from './support/api-client.ts';
import { doctor, frontdesk } from './support/cli.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';

let environment: TestEnvironment;
let project: TestProject;
let index: ChunkIndex;
let cwd: string;
let env: Record<string, string>;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  index = createChunkIndex(environment.elasticsearch, {
    prefix: environment.indexPrefix,
    space: localEmbeddingSpace,
  });
  cwd = mkdtempSync(join(tmpdir(), 'doctor-'));
  // The test's namespace keeps workflows for a day.
  env = { ...environment.env, TEMPORAL_RETENTION_DAYS: '1' };
});
afterAll(async () => {
  await environment?.close();
  rmSync(cwd, { recursive: true, force: true });
});

const bad = (findings: Finding[]) => findings.filter(({ severity }) => severity !== 'ok');

test('without workers and index it says so, and how to mend it', async () => {
  const { code, findings } = await doctor({ env, cwd });
  expect(code).toBe(1);
  expect(bad(findings)).toMatchObject([
    {
      severity: 'fail',
      check: 'Task queue chat',
      detail: expect.stringContaining('no worker'),
      remedy: expect.stringContaining('npm run worker'),
    },
    { severity: 'fail', check: 'Task queue ingestion', detail: expect.stringContaining('no worker') },
    {
      severity: 'fail',
      check: expect.stringContaining('Index'),
      detail: 'does not exist',
      remedy: expect.stringContaining('rebuild-index'),
    },
  ]);
});

test('finds everything in order, prints a line each and no password', async () => {
  const [api] = await Promise.all([environment.startApi(), environment.startWorker()]);
  const client = createApiClient(api.url, project.key);
  await client.ready(await client.upload('# Opening hours\n\nWe are open from ten to six.'));
  await client.ready(await client.upload('# Shipping\n\nWe ship to Norway within six days.'));

  expect(bad((await doctor({ env, cwd })).findings)).toEqual([]);
  const { code, stdout } = await frontdesk(['doctor'], { env, cwd });
  expect(code, stdout).toBe(0);
  expect(stdout).toMatch(/^ok {4}PostgreSQL — version \d+/m);
  expect(stdout).toContain('ok    Index contents — 2 chunks of 1 project, each one in the index');
  const { password } = new URL(env.DATABASE_URL!);
  expect(password).not.toBe('');
  expect(stdout).not.toContain(password);
  expect(stdout).toContain(':***@');
});

test('names a chunk that is missing from the index and one that should not be there', async () => {
  const [chunk] = await environment.sql<{ id: string }[]>`select id from chunks limit 1`;
  const orphan = newId();
  await index.remove(project.id, [chunk!.id]);
  const vector = new Float32Array(localEmbeddingSpace.dimensions).fill(0.1);
  const ghost = { id: orphan, documentId: newId(), title: 'Ghost', headingPath: [], text: 'Boo', vector };
  await index.put(project.id, [ghost], { visible: true });

  const { code, findings } = await doctor({ env, cwd });
  expect(code).toBe(1);
  expect(bad(findings)).toMatchObject([
    {
      severity: 'fail',
      detail: expect.stringContaining('1 of 2 chunks missing'),
      data: { projectId: project.id, chunkIds: [chunk!.id] },
    },
    {
      severity: 'fail',
      detail: expect.stringContaining(orphan),
      remedy: expect.stringContaining('rebuild-index'),
      data: { projectId: project.id, chunkIds: [orphan] },
    },
  ]);

  const rebuilt = await frontdesk(['rebuild-index'], { env, cwd });
  expect(rebuilt.stdout).toContain('2 chunks, 1 written, 1 removed');
  expect(bad((await doctor({ env, cwd })).findings)).toEqual([]);
});

test('reports an index that stopped taking writes, as Elasticsearch does when the disk is full', async () => {
  const block = (value: boolean | null) =>
    environment.elasticsearch.indices.putSettings({
      index: index.name,
      settings: { 'index.blocks.read_only_allow_delete': value },
    });
  await block(true);
  const { findings } = await doctor({ env, cwd });
  await block(null);
  expect(bad(findings)).toMatchObject([
    {
      severity: 'fail',
      check: 'Elasticsearch',
      detail: 'writing is blocked: index.blocks.read_only_allow_delete',
      remedy: expect.stringContaining('disk'),
    },
  ]);
});

test('reports what waits for too long', async () => {
  const { turnId } = await environment.stores.turns.accept(
    project.id,
    { message: 'When?', conversation: 'new' },
    undefined,
  );
  // Out of the sweeps' reach, as if no worker were running.
  await environment.sql`
    update turns set started_at = now() - interval '1 hour', checked_at = now() + interval '1 hour'
    where id = ${turnId}`;
  await environment.sql`
    update dispatches set created_at = now() - interval '1 hour', available_at = now() + interval '1 hour',
      last_error = 'connect ECONNREFUSED'`;
  await environment.sql`
    insert into mails (id, template, recipient, language, status, reason, expires_at, ended_at)
    values (${newId()}, 'account_code', 'a@visitors.example', 'en', 'refused', '550 no such user', now(), now())`;
  const { webhook } = await environment.stores.webhooks.create(project.id, {
    url: 'https://shop.example/hook',
    events: [],
    enabled: true,
  });
  await environment.sql`
    insert into webhook_deliveries (id, project_id, webhook_id, event_id, event_type, payload, status, error, finished_at)
    values (${newId()}, ${project.id}, ${webhook.id}, ${newId()}, 'turn.answered', '{}', 'failed', 'Given up: 500', now())`;
  const { findings } = await doctor({ env, cwd });
  expect(bad(findings)).toMatchObject([
    { severity: 'fail', check: 'Dispatches', detail: expect.stringContaining('for 60 min: connect ECONN') },
    { severity: 'fail', check: 'Overdue turns', detail: expect.stringContaining('1 turn past the deadline') },
    {
      severity: 'warn',
      check: 'Mails',
      detail: '1 mail refused or given up within a day: 550 no such user',
      remedy: expect.stringContaining('mail/'),
    },
    {
      severity: 'warn',
      check: 'Webhooks and CRM',
      detail: '1 event given up within a day: Given up: 500',
      remedy: expect.stringContaining('replay'),
    },
  ]);
  await environment.sql`delete from webhooks`;
  await environment.sql`delete from dispatches`;
  await environment.sql`delete from mails`;
  await environment.sql`delete from turns where id = ${turnId}`;
});

test('with every server away, each is a finding and nothing hangs', async () => {
  const away = {
    DATABASE_URL: 'postgres://someone:secret-word@127.0.0.1:1/nothing',
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    ELASTICSEARCH_URL: 'http://someone:secret-word@127.0.0.1:1',
    SMTP_URL: 'smtp://someone:secret-word@127.0.0.1:1',
  };
  const began = Date.now();
  const { code, stdout } = await frontdesk(['doctor'], { env: { ...env, ...away }, cwd });
  expect(Date.now() - began).toBeLessThan(20_000);
  expect(code).toBe(1);
  for (const server of ['PostgreSQL', 'Temporal', 'Elasticsearch', 'SMTP']) {
    expect(stdout).toMatch(new RegExp(`^FAIL  ${server} — .+ — Start`, 'm'));
  }
  expect(stdout).not.toContain('secret-word');
});

test('an environment that cannot be read is a finding', async () => {
  const { code, findings } = await doctor({ env: { ...env, PORT: 'many' }, cwd });
  expect(code).toBe(1);
  expect(findings).toMatchObject([{ check: 'Configuration', detail: expect.stringContaining('PORT') }]);
});

test('finds the servers of the `npm start` that runs in its folder by itself', async () => {
  const home = join(cwd, 'home');
  mkdirSync(home);
  const lock = takeLock(home);
  if (!isLock(lock)) throw new Error('the lock is taken');
  try {
    saveEnvironment(home, { ...env, FRONTDESK_HOME: home });
    const { findings } = await doctor({ env: { FRONTDESK_HOME: home }, cwd });
    // That home has no model; all else is found.
    expect(bad(findings).map(({ check }) => check)).toEqual(['Embedding model']);
  } finally {
    lock.release();
  }
  const { findings } = await doctor({ env: { FRONTDESK_HOME: home }, cwd });
  expect(findings.map(({ detail }) => detail)).toContain('DATABASE_URL is not set');
});

test('a command that does not exist, or none, is answered with how to ask', async () => {
  const help = await frontdesk(['--help'], { env, cwd });
  expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining('rebuild-index') });
  for (const args of [[], ['dance'], ['doctor', '--loud'], ['doctor', 'twice']]) {
    expect(await frontdesk(args, { env, cwd })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--help'),
    });
  }
});
