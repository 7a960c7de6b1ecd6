// One try of generating an answer, after another whose end nobody learned of.
import { setTimeout as delay } from 'node:timers/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { ChatTurnInput } from '../domain/flows.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import { wireActivities } from './support/wiring.ts';

let environment: TestEnvironment;
let project: TestProject;
let wired: ReturnType<typeof wireActivities>;
/** What was written of an attempt, in its order. */
const written: string[] = [];

beforeAll(async () => {
  const servers = inject('servers');
  environment = await createTestEnvironment(servers);
  project = await environment.createProject();
  const { frames, turns } = environment.stores;
  const stores = {
    ...environment.stores,
    frames: {
      ...frames,
      async append(...args: Parameters<typeof frames.append>) {
        await delay(50);
        await frames.append(...args);
        written.push('frames');
      },
    },
    turns: {
      ...turns,
      async saveDraft(...args: Parameters<typeof turns.saveDraft>) {
        await turns.saveDraft(...args);
        written.push('draft');
      },
    },
  };
  wired = wireActivities({ ...environment, stores }, { elasticsearchUrl: servers.elasticsearchUrl });
});
afterAll(async () => {
  await wired?.close();
  await environment?.close();
});

async function acceptTurn(): Promise<ChatTurnInput> {
  const { turnId, conversationId } = await environment.stores.turns.accept(
    project.id,
    { message: 'When are you open?', conversation: 'new' },
    undefined,
  );
  return { projectId: project.id, conversationId, turnId };
}

/** The activity as Temporal runs it for the `attempt`th time, from 1. */
const generate = async (input: ChatTurnInput, attempt: number) =>
  await new MockActivityEnvironment({ attempt }).run(wired.activities.generateAnswer, input, []);

const attemptsOf = ({ turnId }: ChatTurnInput) => environment.stores.turns.attempts(project.id, turnId);

test('an answer that was whole when its worker died is not generated again', async () => {
  const input = await acceptTurn();
  expect(await generate(input, 1)).toEqual({ attempt: 1 });
  expect(await generate(input, 2)).toEqual({ attempt: 1 });
  expect(await attemptsOf(input)).toMatchObject([{ attempt: 1, outcome: 'declined' }]);
});

test('an attempt that its worker left without an answer is followed by another', async () => {
  const input = await acceptTurn();
  await generate(input, 1);
  await environment.stores.turns.beginAttempt(project.id, input.turnId, {
    provider: 'local',
    model: 'quotes',
  });
  written.length = 0;
  expect(await generate(input, 2)).toEqual({ attempt: 3 });
  // Whoever takes the draft over writes no frames: this one's have to be there.
  expect(written).toEqual(['frames', 'draft']);
  expect(await attemptsOf(input)).toMatchObject([
    { outcome: 'declined' },
    { outcome: null },
    { outcome: 'declined' },
  ]);
});
