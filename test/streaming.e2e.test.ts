import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type Caller, persist } from './drill/client.ts';
import { createLedger } from './drill/ledger.ts';
import { createReader, type LiveReader, type LiveWay, liveWays, readLive } from './drill/live.ts';
import { createRandom } from './support/random.ts';
import { createApiClient } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import type { RunningProcess } from './support/processes.ts';

// Clients that leave and come back, while the processes that serve them are killed.

let environment: TestEnvironment;
let project: TestProject;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
});
afterAll(() => environment?.close());

const questionsOfEach = 6;
const clientsOfEachWay = 2;

test('clients that drop and reconnect get each answer exactly once', { timeout: 300_000 }, async () => {
  const apis = await Promise.all([environment.startApi(), environment.startApi()]);
  const apiUrls = apis.map(({ url }) => url);
  let worker: RunningProcess = await environment.startWorker();
  const api = createApiClient(apiUrls[0]!, project.key);
  await api.ready(await api.upload('# Shipping\n\nShipping to Norway costs 19 euros. It takes four days.'));

  const random = createRandom(7);
  const ledger = createLedger();
  const read: { way: LiveWay; reader: LiveReader; message: string; connections: number }[] = [];
  let asked = 0;
  const client = async (way: LiveWay) => {
    const caller: Caller = { apiUrls, apiKey: project.key, ledger, random: random.fork() };
    let conversationId: string | undefined;
    for (let n = 0; n < questionsOfEach; n += 1) {
      // Each is another text, and asks the same.
      asked += 1;
      const message = `What does shipping to Norway cost${'?'.repeat(asked)}`;
      const entry = { way, reader: createReader(), message, connections: 0 };
      read.push(entry);
      const body = { message, ...(conversationId ? { conversationId } : {}) };
      await persist(async () => {
        entry.connections += 1;
        await readLive(caller, way, { body, idempotencyKey: message, leaves: 0.2 }, entry.reader);
      });
      conversationId = entry.reader.conversationId;
      await sleep(caller.random.between(0, 400));
    }
  };

  let over = false;
  const killing = (async () => {
    for (let n = 0; !over; n += 1) {
      await sleep(random.between(500, 1_500));
      if (n % 2 === 0) {
        worker.kill('SIGKILL');
        await worker.exited;
        worker = await environment.startWorker();
      } else {
        const which = random.between(0, 1);
        apis[which]!.kill('SIGKILL');
        await apis[which]!.exited;
        apis[which] = await environment.startApi();
        apiUrls[which] = apis[which]!.url;
      }
    }
    return true;
  })();
  await Promise.all(liveWays.flatMap((way) => Array.from({ length: clientsOfEachWay }, () => client(way))));
  over = true;
  await killing;

  const turns = await environment.sql<{ id: string; question: string; status: string; reply: string }[]>`
    select id, question, status, reply from turns where project_id = ${project.id}`;
  expect(turns).toHaveLength(liveWays.length * clientsOfEachWay * questionsOfEach);
  for (const { way, reader, message } of read) {
    const [turn, ...more] = turns.filter(({ question }) => question === message);
    expect(more).toEqual([]);
    expect(reader.turnId).toBe(turn!.id);
    const last = reader.screen.last();
    expect({ way, type: last.type, status: last.status, reply: last.reply }).toEqual({
      way,
      type: 'done',
      status: 'answered',
      reply: turn!.reply,
    });
    // The frames of all connections together are the answer: none missing, none twice.
    expect(reader.screen.text()).toBe(turn!.reply);
  }
  for (const way of liveWays) {
    const connections = read.filter((entry) => entry.way === way).map((entry) => entry.connections);
    expect(Math.max(...connections)).toBeGreaterThan(1);
  }
  console.log(`${read.reduce((sum, { connections }) => sum + connections, 0)} connections`, ledger.errors);
});
