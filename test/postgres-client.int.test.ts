// A PostgreSQL that goes away in the middle of things: a proxy cuts the connections.
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { connectPostgres, type Sql } from '../stores/postgres/client.ts';
import { newId, uuids } from '../stores/postgres/ids.ts';

let proxy: Server;
let clients: Socket[] = [];
let sql: Sql;

beforeAll(async () => {
  const target = new URL(inject('servers').databaseUrl);
  proxy = createServer((client) => {
    const server = createConnection(Number(target.port), target.hostname);
    for (const socket of [client, server]) socket.on('error', () => {});
    client.pipe(server).pipe(client);
    client.on('close', () => server.destroy());
    clients.push(client);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as { port: number };
  const url = new URL(target);
  url.port = String(port);
  // One connection: if it were spoiled, everything after it would wait for ever.
  sql = connectPostgres(url.href, { poolSize: 1, applicationName: 'test' });
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  for (const client of clients) client.destroy();
  proxy.close();
});

const cuts: [string, (client: Socket) => void][] = [
  ['closed', (client) => client.destroySoon()],
  ['reset', (client) => client.resetAndDestroy()],
];

for (const [how, cut] of cuts) {
  const cutAll = () => {
    for (const client of clients) cut(client);
    clients = [];
  };

  test(`a transaction whose connection is ${how} during a statement is rejected`, async () => {
    const transaction = sql.begin(async (tx) => {
      await tx`select 1`;
      const running = tx`select pg_sleep(20)`;
      setTimeout(cutAll, 50);
      await running;
    });
    await expect(transaction).rejects.toThrow(/CONNECTION_CLOSED|ECONNRESET/);
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
  });

  test(`a transaction whose connection is ${how} between two statements is rejected`, async () => {
    const transaction = sql.begin(async (tx) => {
      await tx`select 1`;
      cutAll();
      await sleep(50);
      await tx`create table too_late (id int)`;
    });
    await expect(transaction).rejects.toThrow(/CONNECTION_CLOSED|ECONNRESET/);
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
    await sleep(100);
    // It must not run on the next connection, without its transaction.
    expect(await sql`select to_regclass('too_late') as table`).toEqual([{ table: null }]);
  });

  test(`a result that ends early because its connection is ${how} does not spoil the next one`, async () => {
    // Rows of more than a buffer's size are sent one by one.
    const slow = sql`select repeat('x', 20000), pg_sleep(0.02) from generate_series(1, 200)`;
    setTimeout(cutAll, 300);
    await expect(slow).rejects.toThrow(/CONNECTION_CLOSED|ECONNRESET/);
    // A statement that comes before the driver has seen the end of the connection is rejected, rightly.
    await sleep(20);
    expect([...(await sql`select 1 as one`)]).toStrictEqual([{ one: 1 }]);
  });
}

test('a transaction behind a hundred statements on their way is one all the same', async () => {
  await sql`select 1`;
  const others = Array.from({ length: 100 }, () => sql`select 1`.execute());
  const transaction = sql.begin(async (tx) => {
    await tx`create table given_up (n int)`;
    throw new Error('given up');
  });
  await expect(transaction).rejects.toThrow('given up');
  await Promise.all(others);
  expect(await sql`select to_regclass('given_up') as table`).toEqual([{ table: null }]);
});

test('a result that ends early with an error does not spoil the next one', async () => {
  const broken = sql`select repeat('x', 20000), 1 / (5 - n) from generate_series(1, 9) n`;
  await expect(broken).rejects.toThrow(/division by zero/);
  expect([...(await sql`select 1 as one`)]).toStrictEqual([{ one: 1 }]);
});

test('a list of ids goes to PostgreSQL as a list of ids, also an empty one', async () => {
  const list = [newId(), newId()];
  for (const sent of [list, []]) {
    const [row] = await sql`select pg_typeof(${uuids(sql, sent)})::text as type, ${uuids(sql, sent)} as ids`;
    expect(row).toEqual({ type: 'uuid[]', ids: sent });
  }
});
