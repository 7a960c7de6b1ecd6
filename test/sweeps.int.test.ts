import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';

// What operators do to workflows in the Temporal UI ends in a true record all the same.

let environment: TestEnvironment;
let project: TestProject;
let api: ReturnType<typeof createApiClient>;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  api = createApiClient((await environment.startApi()).url, project.key);
});
afterAll(() => environment?.close());

/** A turn whose workflow has started and waits, because there is no worker. */
async function startedTurn(
  message: string,
): Promise<{ turnId: string; conversationId: string; answer: ReturnType<typeof api.ask> }> {
  const answer = api.ask(message);
  const turn = await eventually(async () => {
    const [row] = await environment.sql<{ turnId: string; conversationId: string }[]>`
      select id as turn_id, conversation_id from turns where question = ${message}
        and not exists (select 1 from dispatches where workflow_id = 'turn/' || turns.id)`;
    return row;
  });
  return { ...turn, answer };
}

const age = (turnId: string) =>
  environment.sql`update turns set started_at = started_at - interval '10 minutes' where id = ${turnId}`;

test('a terminated, a deleted and a cancelled turn, a terminated and a queued document', {
  timeout: 120_000,
}, async () => {
  const terminated = await startedTurn('terminated?');
  const deleted = await startedTurn('deleted?');
  const cancelled = await startedTurn('cancelled?');
  const documentId = await api.upload('A document whose ingestion is terminated.');
  const waiting = await api.upload('A document that only waits.');
  const handleOf = (workflowId: string) => environment.temporal.workflow.getHandle(workflowId);
  await eventually(async () =>
    (await environment.stores.dispatches.backlog()).waiting === 0 ? true : undefined,
  );

  await handleOf(`turn/${terminated.turnId}`).terminate('test');
  await environment.temporal.workflowService.deleteWorkflowExecution({
    namespace: environment.temporal.options.namespace,
    workflowExecution: { workflowId: `turn/${deleted.turnId}` },
  });
  await handleOf(`turn/${cancelled.turnId}`).cancel();
  await handleOf(`ingest/${documentId}/v1`).terminate('test');
  await age(terminated.turnId);
  await age(deleted.turnId);
  await environment.sql`update document_versions set updated_at = updated_at - interval '10 minutes'
    where document_id = ${documentId}`;

  await environment.startWorker();
  const reason = async (turn: {
    answer: Promise<{ status: number; json: { code: string; details: object } }>;
  }) => {
    const { status, json } = await turn.answer;
    return [status, json.code, json.details];
  };
  expect(await reason(terminated)).toEqual([
    503,
    'TURN_FAILED',
    {
      turnId: terminated.turnId,
      code: 'WORKFLOW_TERMINATED',
      reason: 'An operator terminated the workflow. Ask again.',
    },
  ]);
  expect(await reason(deleted)).toMatchObject([503, 'TURN_FAILED', { code: 'WORKFLOW_NOT_FOUND' }]);
  expect(await reason(cancelled)).toEqual([409, 'TURN_CANCELLED', { turnId: cancelled.turnId }]);
  const failed = await eventually(async () => {
    const { document } = (await api.call('GET', `/documents/${documentId}`)).json;
    return document.status === 'failed' ? document : undefined;
  });
  expect(failed.error).toEqual({
    code: 'WORKFLOW_TERMINATED',
    message: 'An operator terminated the workflow. Upload the document again.',
    step: null,
  });
  await api.ready(waiting);

  // The conversation goes on after a turn that was ended from outside.
  const next = await api.ask('Is there a document that only waits?', {
    conversationId: terminated.conversationId,
  });
  expect(next.status, next.text).toBe(200);
});

test('a turn that an operator resets keeps its one recorded answer', async () => {
  await api.ready(await api.upload('The showroom is in the old mill.'));
  const asked = await api.ask('Where is the showroom?');
  const workflowId = `turn/${asked.json.turnId}`;
  const handle = environment.temporal.workflow.getHandle(workflowId);
  const { events } = await handle.fetchHistory();
  const firstTask = events!.find((event) => event.workflowTaskCompletedEventAttributes)!;
  const { runId } = await handle.describe();
  const reset = await environment.temporal.workflowService.resetWorkflowExecution({
    namespace: environment.temporal.options.namespace,
    workflowExecution: { workflowId, runId },
    workflowTaskFinishEventId: firstTask.eventId,
    requestId: workflowId,
    reason: 'test',
  });
  await environment.temporal.workflow.getHandle(workflowId, reset.runId).result();
  const turn = await environment.stores.turns.get(project.id, asked.json.turnId);
  expect(turn).toMatchObject({ status: 'answered', reply: asked.json.reply, attempt: 1 });
});
