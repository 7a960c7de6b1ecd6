import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { apiDrain, apiForce } from '../domain/deadlines.ts';
import { createApiClient } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
});
afterAll(() => environment?.close());

async function connectTo(url: string): Promise<Socket> {
  const client = connect(Number(new URL(url).port), '127.0.0.1');
  await once(client, 'connect');
  return client;
}

/** Asks for a WebSocket; the beginning of the reply. */
async function askForSocket(client: Socket, path: string): Promise<string> {
  const replied = once(client, 'data');
  client.write(
    `GET ${path} HTTP/1.1\r\nHost: frontdesk\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  return String((await replied)[0]);
}

test(
  'an API that is told to stop ends, although PostgreSQL does not answer it',
  async () => {
    const project = await environment.createProject();
    const running = await environment.startApi();
    // What it writes last waits behind this lock.
    const lock = await environment.sql.reserve();
    await lock`begin`;
    await lock`lock table endpoint_usage`;
    const api = createApiClient(running.url, project.key);
    expect((await api.call('GET', '/documents')).status).toBe(200);
    running.kill('SIGTERM');
    await running.exited;
    expect(running.output()).toContain('stopping took too long');
    await lock`rollback`;
    lock.release();
  },
  apiDrain + apiForce + 15_000,
);

test('an API that is told to stop is not held by a client that then asks for a socket', async () => {
  const running = await environment.startApi();
  const client = await connectTo(running.url);
  // The API has seen the connection once it answers a later one.
  await fetch(`${running.url}/health`);
  running.kill('SIGTERM');
  await expect.poll(() => running.output()).toContain('stopping');
  expect(await askForSocket(client, '/v1/chat/socket')).toMatch(/^HTTP\/1.1 503 /);
  await running.exited;
  expect(running.output()).not.toContain('stopping took too long');
  client.destroy();
});

test('a socket that is refused is closed', async () => {
  const running = await environment.startApi();
  const client = await connectTo(running.url);
  const closed = once(client, 'close');
  expect(await askForSocket(client, '/documents')).toMatch(/^HTTP\/1.1 401 /);
  await closed;
});
