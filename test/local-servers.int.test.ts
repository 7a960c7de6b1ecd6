// The local servers themselves: what is killed comes back, what is left behind is found, nothing stays.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { createTransport } from 'nodemailer';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { readConfig } from '../config.ts';
import { isLock, lockHolder, takeLock } from '../infra/local/lock.ts';
import { choosePorts, isPortFree, preferredPorts, requirePort } from '../infra/local/ports.ts';
import { identify } from '../infra/local/processes.ts';
import { type Servers, startServers } from '../infra/local/stack.ts';
import { createSupervisor, type ProcessPlan } from '../infra/local/supervisor.ts';
import { startThrowAwayServers } from '../infra/local/throwaway.ts';

const { FRONTDESK_HOME: home } = readConfig();
let scratch: string;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'local-servers-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('servers that are killed', () => {
  let servers: Servers;
  beforeAll(async () => {
    servers = await startThrowAwayServers('killed', { home, keepHistories: true });
  });
  afterAll(() => servers?.stop());

  test('come back by themselves, on the same ports, with their data', { timeout: 120_000 }, async () => {
    const { databaseUrl, temporalAddress, elasticsearchUrl, smtpUrl, mailboxUrl, processes } = servers;
    await onPostgres(databaseUrl!, (sql) => sql`create table kept as select 42 as answer`);
    await onTemporal(temporalAddress!, (client) =>
      client.workflow.start('anything', { taskQueue: 'nobody', workflowId: 'kept' }),
    );
    const document = `${elasticsearchUrl}/kept/_doc/1?refresh=true`;
    const indexed = await fetch(document, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{"answer":42}',
    });
    expect(indexed.status).toBe(201);
    await createTransport(smtpUrl!).sendMail({ from: 'a@example.org', to: 'b@example.org', subject: 'kept' });

    const before = Object.values(processes).map(({ pid }) => pid);
    for (const running of Object.values(processes)) running.kill('SIGKILL');
    await Promise.all(Object.values(processes).map((running) => running.restarted()));

    for (const running of Object.values(processes)) expect(before).not.toContain(running.pid);
    expect(await onPostgres(databaseUrl!, (sql) => sql`select answer from kept`)).toEqual([{ answer: 42 }]);
    const kept = await onTemporal(temporalAddress!, (client) => client.workflow.getHandle('kept').describe());
    expect(kept.status.name).toBe('RUNNING');
    expect(await (await fetch(document)).json()).toMatchObject({ _source: { answer: 42 } });
    expect(await (await fetch(`${mailboxUrl}/email`)).json()).toMatchObject([{ subject: 'kept' }]);
  });

  test('are all gone after stop, with their folder', { timeout: 60_000 }, async () => {
    const pids = Object.values(servers.processes).map(({ pid }) => pid!);
    const groups = pids.flatMap(membersOfGroup);
    expect(groups.length).toBeGreaterThan(pids.length);
    await servers.stop();
    for (const pid of groups) expect(identify(pid)).toBeUndefined();
    for (const url of [servers.databaseUrl, servers.elasticsearchUrl, servers.mailboxUrl]) {
      expect(await isPortFree(Number(new URL(url!).port))).toBe(true);
    }
    expect(existsSync(join(home, `killed-${process.pid}`))).toBe(false);
  });
});

test("Temporal serves projects in turn: one's backlog does not delay another", {
  timeout: 60_000,
}, async () => {
  const taskQueue = 'fairness';
  const order = await onTemporal(inject('servers').temporalAddress, async ({ workflow, connection }) => {
    for (const fairnessKey of [...Array(20).fill('busy'), ...Array(5).fill('quiet')]) {
      await workflow.start('anything', { taskQueue, workflowId: randomUUID(), priority: { fairnessKey } });
    }
    const served: (string | null | undefined)[] = [];
    for (let i = 0; i < 10; i += 1) {
      const request = { namespace: 'default', taskQueue: { name: taskQueue }, identity: 'test' };
      const task = await connection.withDeadline(Date.now() + 20_000, () =>
        connection.workflowService.pollWorkflowTaskQueue(request),
      );
      const started = task.history?.events?.[0]?.workflowExecutionStartedEventAttributes;
      served.push(started?.priority?.fairnessKey);
    }
    return served;
  });
  // In the order of arrival it would be none; strictly in turn, five.
  expect(order.filter((key) => key === 'quiet').length).toBeGreaterThanOrEqual(3);
});

describe('a launcher that was killed', () => {
  test('leaves servers that the next start recognises and stops', { timeout: 60_000 }, async () => {
    const name = `leftover-${process.pid}`;
    const script = join(scratch, 'launcher.ts');
    writeFileSync(
      script,
      `import { startServers } from ${JSON.stringify(new URL('../infra/local/stack.ts', import.meta.url).href)};
       const servers = await startServers({ home: ${JSON.stringify(home)}, ephemeral: '${name}', which: ['postgres'] });
       console.log(servers.processes.postgres.pid);
       setInterval(() => {}, 1000);`,
    );
    const launcher = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [printed] = await once(launcher.stdout, 'data');
    const left = identify(Number(printed))!;
    launcher.kill('SIGKILL');
    await once(launcher, 'exit');
    expect(identify(left.pid)).toEqual(left);

    const lines: string[] = [];
    const options = { home, ephemeral: name, which: ['postgres'] as const };
    const servers = await startServers({ ...options, onProgress: (line) => lines.push(line) });
    try {
      expect(lines).toContain(`postgres: stopping what an earlier start left behind (pid ${left.pid})`);
      expect(identify(left.pid)).toBeUndefined();
      expect(await onPostgres(servers.databaseUrl!, (sql) => sql`select 1 as one`)).toEqual([{ one: 1 }]);
    } finally {
      await servers.stop();
      rmSync(join(home, name), { recursive: true, force: true });
    }
  });

  test('does not make the next start touch whoever has its pids now', async () => {
    const stranger = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
    const folder = join(scratch, 'stranger');
    mkdirSync(join(folder, 'run'), { recursive: true });
    const file = join(folder, 'run', 'postgres.json');
    const record = {
      name: 'postgres',
      pid: stranger.pid,
      startTime: 'another',
      stopSignal: 'SIGINT',
      stopLimitMs: 100,
    };
    writeFileSync(file, JSON.stringify(record));
    await createSupervisor(folder, () => {}).stopLeftovers();
    expect(identify(stranger.pid!)).toBeDefined();
    expect(existsSync(file)).toBe(false);
    stranger.kill();
  });

  test('gives up its lock, a living one does not', async () => {
    const folder = join(scratch, 'lock');
    mkdirSync(join(folder, 'run'), { recursive: true });
    writeFileSync(join(folder, 'run', 'launcher.json'), JSON.stringify({ pid: 1, startTime: 'long ago' }));
    const lock = takeLock(folder);
    if (!isLock(lock)) throw new Error('the dead lock was respected');
    lock.setUrl('http://127.0.0.1:3000');
    expect(takeLock(folder)).toMatchObject({ pid: process.pid, url: 'http://127.0.0.1:3000' });
    lock.release();
    expect(lockHolder(folder)).toBeUndefined();
  });
});

describe('a process that cannot start', () => {
  const plan: ProcessPlan = {
    name: 'broken',
    command: process.execPath,
    args: ['-e', 'console.error("out of biscuits"); process.exit(3)'],
    cwd: tmpdir(),
    env: process.env,
    ready: async () => false,
    startLimitMs: 20_000,
    stopSignal: 'SIGTERM',
    stopLimitMs: 1_000,
  };

  test('is told with the end of its log', async () => {
    const start = createSupervisor(join(scratch, 'broken'), () => {}).start(plan);
    await expect(start).rejects.toThrow(/broken ended while starting \(exit code 3\)[\s\S]*out of biscuits/);
  });

  test('is told when its program is missing, and when time runs out', async () => {
    const supervisor = createSupervisor(join(scratch, 'broken'), () => {});
    await expect(supervisor.start({ ...plan, command: '/no/such/program' })).rejects.toThrow(/ENOENT/);
    const slow = { ...plan, args: ['-e', 'setInterval(() => {}, 1000)'], startLimitMs: 500 };
    await expect(supervisor.start(slow)).rejects.toThrow(/not ready after 0.5 s/);
  });
});

describe('ports', () => {
  test('that are busy are chosen around, and remembered', async () => {
    const file = join(scratch, 'ports.json');
    const blocker = createServer();
    const busy = (await isPortFree(preferredPorts.api)) ? preferredPorts.api : undefined;
    if (busy) await new Promise<void>((resolve) => blocker.listen(busy, '127.0.0.1', resolve));
    const first = await choosePorts(['api'], { file });
    expect(first.api).toBeGreaterThan(preferredPorts.api);
    await expect(requirePort('PORT', preferredPorts.api, '127.0.0.1')).rejects.toThrow(
      /Port 3000 \(PORT\) is in use/,
    );
    if (busy) await new Promise((resolve) => blocker.close(resolve));
    expect(await choosePorts(['api', 'temporal'], { file })).toMatchObject(first);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject(first);
  });
});

/** Whatever runs in the leader's process group (PostgreSQL's own children have groups of their own, but its parenthood). */
function membersOfGroup(leader: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      if (!Number.isInteger(pid)) return false;
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const [, parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return Number(group) === leader || Number(parent) === leader;
      } catch {
        return false;
      }
    });
}

async function onPostgres<T>(url: string, use: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1 });
  try {
    return await use(sql);
  } finally {
    await sql.end();
  }
}

async function onTemporal<T>(address: string, use: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address });
  try {
    return await use(new Client({ connection }));
  } finally {
    await connection.close();
  }
}
