import { Context } from '@temporalio/activity';
import { type WorkflowHandle, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import type { Activities } from '../activities/index.ts';
import { newId } from '../stores/postgres/ids.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import { startTestWorker } from './support/test-worker.ts';

// A step that is stopped while a server is away fails with that, and not as cancelled. The real workflows, with steps that
// fail at exactly that moment.

// Failing steps are what these tests are about; they need no log.
Runtime.install({ logger: new DefaultLogger('ERROR', () => {}) });

let environment: TestEnvironment;
let stopWorker: () => Promise<void>;
/** What the workflow recorded. */
let recorded: unknown[] = [];
/** How often the step was begun. */
let begun = 0;

async function failWhenStopped(): Promise<void> {
  begun += 1;
  const beats = setInterval(() => Context.current().heartbeat(), 100);
  try {
    await Context.current().cancelled;
  } catch {
    throw ApplicationFailure.retryable('Elasticsearch: cannot be reached', 'ELASTICSEARCH_UNAVAILABLE');
  } finally {
    clearInterval(beats);
  }
}

const activities = {
  parseDocument: async () => {},
  chunkDocument: async () => ({ chunks: 1 }),
  embedChunks: async () => (begun === 0 ? await failWhenStopped() : undefined),
  indexChunks: async () => {},
  publishVersion: async () => 'published',
  setIngestionPaused: async () => {},
  endVersion: async (_input: unknown, end: unknown) => void recorded.push(end),
  withdrawVersion: async () => {},
  openMail: async () => ({ status: 'queued', patience: 60_000 }),
  deliverMail: async () => await failWhenStopped(),
  recordMail: async (_input: unknown, end: unknown) => void recorded.push(end),
  sendWebhook: async () => await failWhenStopped(),
  giveUpWebhook: async (_input: unknown, reason: unknown) => void recorded.push(reason),
  openTurn: async () => ({ status: 'running' }),
  retrievePassages: async () => [],
  generateAnswer: async () => await failWhenStopped(),
  recordTurn: async (_input: unknown, end: unknown) => {
    recorded.push(end);
    return { status: end };
  },
};

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  stopWorker = await startTestWorker(environment, activities as unknown as Activities);
});
afterAll(async () => {
  await stopWorker?.();
  await environment?.close();
});
beforeEach(() => {
  recorded = [];
  begun = 0;
});

async function start(workflowType: string): Promise<WorkflowHandle> {
  const input = { projectId: newId(), documentId: newId(), version: 1, run: 1, turnId: newId() };
  const handle = await environment.temporal.workflow.start(workflowType, {
    taskQueue: 'test',
    workflowId: `test/${newId()}`,
    args: [input],
  });
  await expect.poll(() => begun, { timeout: 10_000 }).toBe(1);
  return handle;
}

async function endOf(handle: WorkflowHandle): Promise<unknown> {
  const error = await handle.result().catch((failure: unknown) => failure);
  expect(error).toBeInstanceOf(WorkflowFailedError);
  return (error as WorkflowFailedError).cause;
}

const stopped: [what: string, workflowType: string, recorded: unknown][] = [
  [
    'an ingestion that is stopped has been stopped, whatever its step fails with',
    'ingestDocument',
    { status: 'cancelled', code: 'INGESTION_CANCELLED', message: 'Stopped while embedding.' },
  ],
  ['a turn that is stopped has been stopped, whatever its generation fails with', 'chatTurn', 'cancelled'],
  [
    'a mail that is stopped has been stopped, whatever its delivery fails with',
    'sendMail',
    { status: 'failed', code: 'MAIL_CANCELLED', reason: 'An operator cancelled it.' },
  ],
  [
    'a delivery that is stopped has been stopped, whatever its receiver does',
    'deliverWebhook',
    'An operator cancelled it.',
  ],
];
test.each(stopped)('%s', async (_what, workflowType, end) => {
  const handle = await start(workflowType);
  await handle.cancel();
  expect(await endOf(handle)).toBeInstanceOf(CancelledFailure);
  expect(recorded).toEqual([end]);
});

test('an ingestion that is paused goes on when it is resumed, whatever its step fails with', async () => {
  const handle = await start('ingestDocument');
  await handle.signal('pause');
  await handle.signal('resume');
  expect(await handle.result()).toEqual({ status: 'ready', chunks: 1 });
  expect(recorded).toEqual([]);
});
