import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { projectSettings } from '../domain/projects.ts';
import { reservationOf } from '../domain/usage.ts';
import { tokenState } from '../stores/postgres/token-budgets.ts';
import { newId } from '../stores/postgres/ids.ts';
import { createApiClient } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';

let environment: TestEnvironment;
const question = 'What does it cost?';
const oneTurn = reservationOf(question, projectSettings.parse({}));

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
});
afterAll(() => environment?.close());

async function limitedProject(settings: object): Promise<string> {
  const id = newId();
  await environment.stores.projects.create({ id, name: 'Limited', settings });
  return id;
}

const accept = (projectId: string) =>
  environment.stores.turns.accept(projectId, { message: question, conversation: 'new' }, undefined);

/** Runs an attempt to its end and records it. */
async function answer(projectId: string, turnId: string, used: number): Promise<void> {
  const { turns } = environment.stores;
  const attempt = await turns.beginAttempt(projectId, turnId, { provider: 'local', model: 'm' });
  await turns.saveDraft(projectId, turnId, attempt, {
    outcome: 'answered',
    reply: 'Nothing.',
    sources: [],
    closest: [],
    confidence: 1,
    promptTokens: used - 1,
    completionTokens: 1,
  });
  await turns.recordDraft(projectId, turnId, attempt);
}

const state = (projectId: string) => tokenState(environment.sql, projectId);

test('turns at once cannot reserve more than the limit', async () => {
  const projectId = await limitedProject({ tokenLimit: 3 * oneTurn + 10 });
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => accept(projectId)));
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  for (const result of results)
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'TOKEN_LIMIT_EXCEEDED' });
  expect(await state(projectId)).toEqual({ total: 0, month: 0, reserved: 3 * oneTurn });
  const rows = await environment.sql`select 1 from turns where project_id = ${projectId}`;
  expect(rows, 'nothing of a refused turn is stored').toHaveLength(3);
});

test('a recorded turn gives back what it did not use, once', async () => {
  const projectId = await limitedProject({ tokenLimit: oneTurn + 100 });
  const first = await accept(projectId);
  await expect(accept(projectId)).rejects.toMatchObject({ code: 'TOKEN_LIMIT_EXCEEDED' });
  await answer(projectId, first.turnId, 60);
  // An activity may run again.
  await environment.stores.turns.recordDraft(projectId, first.turnId, 1);
  await environment.stores.turns.recordFailure(projectId, first.turnId, { code: 'X', message: 'x' });
  expect(await state(projectId)).toEqual({ total: 60, month: 60, reserved: 0 });

  const second = await accept(projectId);
  await answer(projectId, second.turnId, 60);
  await expect(accept(projectId)).rejects.toMatchObject({
    details: { period: 'lifetime', limit: oneTurn + 100, used: 120, reserved: 0, wanted: oneTurn },
  });
});

test('a retry reserves again, and what a lost attempt may have used is counted', async () => {
  const projectId = await limitedProject({ tokenLimit: 2 * oneTurn + 10 });
  const { turnId } = await accept(projectId);
  const { turns } = environment.stores;
  await turns.beginAttempt(projectId, turnId, { provider: 'local', model: 'm' });
  // The worker died: a second attempt, then a third, which is one too many.
  expect(await turns.beginAttempt(projectId, turnId, { provider: 'local', model: 'm' })).toBe(2);
  expect((await state(projectId)).reserved).toBe(2 * oneTurn);
  await expect(
    turns.beginAttempt(projectId, turnId, { provider: 'local', model: 'm' }),
  ).rejects.toMatchObject({
    code: 'TOKEN_LIMIT_EXCEEDED',
  });
  await turns.recordFailure(projectId, turnId, { code: 'TOKEN_LIMIT_EXCEEDED', message: 'x' });
  expect(await state(projectId)).toEqual({ total: 2 * oneTurn, month: 2 * oneTurn, reserved: 0 });
});

test('an attempt that failed before its first token costs nothing', async () => {
  const projectId = await limitedProject({ tokenLimit: oneTurn + 10 });
  const { turnId } = await accept(projectId);
  const { turns } = environment.stores;
  for (let attempt = 1; attempt <= 5; attempt++) {
    await turns.attemptUsedNothing(
      projectId,
      turnId,
      await turns.beginAttempt(projectId, turnId, { provider: 'local', model: 'm' }),
    );
  }
  await answer(projectId, turnId, 7);
  expect(await state(projectId)).toEqual({ total: 7, month: 7, reserved: 0 });
});

test('a monthly budget counts this month only, and use before the limit was set counts', async () => {
  const projectId = await limitedProject({ monthlyTokenBudget: oneTurn + 100 });
  await environment.sql`
    insert into token_usage (project_id, month, prompt_tokens) values (${projectId}, '2020-01-01', 1000000)`;
  const { turnId } = await accept(projectId);
  await answer(projectId, turnId, 200);
  await expect(accept(projectId)).rejects.toMatchObject({ details: { period: 'month', used: 200 } });

  const unlimited = await limitedProject({});
  await answer(unlimited, (await accept(unlimited)).turnId, oneTurn);
  await environment.sql`
    update projects set settings = settings || ${environment.sql.json({ tokenLimit: oneTurn })} where id = ${unlimited}`;
  await expect(accept(unlimited)).rejects.toMatchObject({ details: { period: 'lifetime', used: oneTurn } });
});

test('the API answers 429 with what is used, and /usage shows it', async () => {
  const project = await environment.createProject();
  await environment.sql`
    update projects set settings = settings || ${environment.sql.json({ tokenLimit: 5 })} where id = ${project.id}`;
  const api = createApiClient((await environment.startApi()).url, project.key);
  const refused = await api.ask(question);
  expect(refused.status).toBe(429);
  expect(refused.json).toMatchObject({ code: 'TOKEN_LIMIT_EXCEEDED', details: { limit: 5, used: 0 } });
  const usage = await api.call('GET', '/usage');
  expect(usage.json.tokens).toMatchObject({ total: 0, reserved: 0, limit: 5, monthlyBudget: null });
  expect(usage.json.messages).toBe(0);
});
