import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { apiDrain, apiForce } from '../domain/deadlines.ts';
import { createApiClient } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
});
afterAll(() => environment?.close());

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
