import { createConnection, createServer, type Server } from 'node:net';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { chatTurnDispatch, ingestDocumentDispatch } from '../domain/flows.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import { createTestWorker } from './support/test-worker.ts';
import { createTimeSkipping } from './support/time-skipping.ts';
import { wireActivities } from './support/wiring.ts';

// Outages of minutes and days, on Temporal's time-skipping server: the flows' own timers, in seconds.

let environment: TestEnvironment;
let project: TestProject;
let timeSkipping: TestWorkflowEnvironment;
const nowhere = 'http://127.0.0.1:1';

beforeAll(async () => {
  const servers = inject('servers');
  environment = await createTestEnvironment(servers);
  project = await environment.createProject();
  timeSkipping = await createTimeSkipping(servers);
});
afterAll(async () => {
  await timeSkipping?.teardown();
  await environment?.close();
});

/** Runs one workflow to its end with the real activities and this Elasticsearch; gives back what it threw, if it did. */
async function run(
  elasticsearchUrl: string,
  workflow: { workflowType: string; workflowId: string; input: object },
) {
  const { activities, close } = wireActivities(environment, { elasticsearchUrl });
  const worker = await createTestWorker({
    connection: timeSkipping.nativeConnection,
    taskQueue: 'deadlines',
    activities,
  });
  const { workflowType, workflowId, input } = workflow;
  const outcome = await worker.runUntil(
    timeSkipping.client.workflow
      .execute(workflowType, { taskQueue: 'deadlines', workflowId, args: [input] })
      .then(
        () => undefined,
        (error: Error) => error,
      ),
  );
  await close();
  return outcome;
}

async function upload(content: string): Promise<string> {
  const document = {
    title: 'Test',
    source: 'test',
    metadata: {},
    mimeType: 'text/markdown',
    bytes: Buffer.from(content),
  };
  return (await environment.stores.documents.accept(project.id, document, undefined)).documentId;
}

test('a turn without Elasticsearch fails at its deadline and says why', async () => {
  const began = Date.now();
  const { turnId, conversationId } = await environment.stores.turns.accept(
    project.id,
    { message: 'When are you open?', conversation: 'new' },
    undefined,
  );
  const thrown = await run(nowhere, chatTurnDispatch({ projectId: project.id, conversationId, turnId }));
  expect(thrown).toBeDefined();
  const turn = await environment.stores.turns.get(project.id, turnId);
  expect(turn).toMatchObject({ status: 'failed', errorCode: 'TURN_DEADLINE' });
  expect(turn!.errorMessage).toMatch(/within 90 s.*Elasticsearch/);
  expect(Date.now() - began).toBeLessThan(60_000);
});

test('a document without Elasticsearch for a day fails with the step and the reason', {
  timeout: 120_000,
}, async () => {
  const documentId = await upload('We are open from ten to six.');
  const thrown = await run(
    nowhere,
    ingestDocumentDispatch({ projectId: project.id, documentId, version: 1, run: 1 }),
  );
  expect(thrown).toBeDefined();
  const document = await environment.stores.documents.get(project.id, documentId);
  expect(document).toMatchObject({ status: 'failed', errorCode: 'ELASTICSEARCH_UNAVAILABLE' });
  expect(document!.errorMessage).toMatch(/Failed while indexing: Elasticsearch: cannot be reached/);
});

test('a document is ready when Elasticsearch comes back after an hour', async () => {
  const flaky = await startFlakyProxy(inject('servers').elasticsearchUrl, 140);
  const documentId = await upload('We are closed on Sundays.');
  const began = await timeSkipping.currentTimeMs();
  const thrown = await run(
    flaky.url,
    ingestDocumentDispatch({ projectId: project.id, documentId, version: 1, run: 1 }),
  );
  expect(thrown).toBeUndefined();
  expect((await timeSkipping.currentTimeMs()) - began).toBeGreaterThan(3_600_000);
  expect(await environment.stores.documents.get(project.id, documentId)).toMatchObject({
    status: 'ready',
    totalChunks: 1,
  });
  flaky.server.close();
});

/** A way to a server that cuts the first connections. */
async function startFlakyProxy(target: string, refused: number): Promise<{ url: string; server: Server }> {
  const { hostname, port } = new URL(target);
  let connections = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    connections += 1;
    if (connections <= refused) {
      socket.destroy();
      return;
    }
    const upstream = createConnection({ host: hostname, port: Number(port) });
    upstream.on('error', () => socket.destroy());
    socket.pipe(upstream).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address() as { port: number };
  return { url: `http://127.0.0.1:${address.port}`, server };
}
