// Long conversations: their earlier turns are summarised once for each stretch, after the answer, and counted.
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { projectSettings } from '../domain/projects.ts';
import { reservationOf, summaryReservation } from '../domain/usage.ts';
import { tokenState } from '../stores/postgres/token-budgets.ts';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import type { ModelServer } from './support/model-server.ts';
import { startOpenAiServer } from './support/openai-server.ts';

let environment: TestEnvironment;
let openai: ModelServer;
let url: string;

/** What the requests to the model are for, by the length that they allow. */
const kinds: Record<number, string> = { 120: 'rewriting', 300: 'summary' };
const kindOf = (body: { max_completion_tokens: number }) => kinds[body.max_completion_tokens] ?? 'answer';
const asked = (kind: string) =>
  openai.requests.filter(({ body }) => kindOf(body) === kind).map(({ body }) => body);

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  openai = await startOpenAiServer({ apiKey: 'server-key' });
  const env = { OPENAI_BASE_URL: openai.url, OPENAI_API_KEY: 'server-key' };
  const [, api] = await Promise.all([environment.startWorker(env), environment.startApi(env)]);
  url = api.url;
});
afterAll(async () => {
  await environment?.close();
  await openai?.close();
});
beforeEach(() => {
  openai.requests.length = 0;
  let summaries = 0;
  openai.otherwise((body) => {
    if (kindOf(body) === 'rewriting') return { parts: ['What does shipping cost?'] };
    if (kindOf(body) === 'summary') return { parts: [`The visitor is Ada (${++summaries}).`] };
    return { parts: ['Shipping to Norway costs 19 euros [1].'] };
  });
});

async function projectWith(settings: object) {
  const project = await environment.createProject({ embeddingProvider: 'local', ...settings });
  const api = createApiClient(url, project.key);
  await api.ready(await api.upload('# Shipping\n\nShipping to Norway costs 19 euros.'));
  return { ...project, api };
}
type Project = Awaited<ReturnType<typeof projectWith>>;

/** Asks so often in one conversation, one after the other. */
async function converse({ api }: Project, times: number, conversationId?: string): Promise<string> {
  let id = conversationId;
  for (let n = 0; n < times; n++) {
    const { status, json, text } = await api.ask(
      `What does shipping to Norway cost${'?'.repeat(n + 1)}`,
      id ? { conversationId: id } : {},
    );
    expect(status, text).toBe(200);
    id = json.conversationId;
  }
  return id!;
}

const summariesOf = async (conversationId: string, count: number) =>
  await eventually(async () => {
    const rows = await environment.sql`
      select through, summary, provider, model, prompt_tokens, completion_tokens from conversation_summaries
      where conversation_id = ${conversationId} order by through`;
    return rows.length >= count ? [...rows] : undefined;
  });

/** The turn's workflow has ended, and with it what it did after its answer. */
async function ended(conversationId: string): Promise<void> {
  await eventually(async () => {
    const [running] = await environment.sql`
      select id from turns where conversation_id = ${conversationId} order by position desc limit 1`;
    const { status } = await environment.temporal.workflow.getHandle(`turn/${running!.id}`).describe();
    return status.name === 'RUNNING' ? undefined : status.name;
  });
}

test('the stretch is summarised once, by the project’s model, and stands in the prompts after it', async () => {
  const project = await projectWith({ provider: 'openai' });
  const conversationId = await converse(project, 8);
  await ended(conversationId);
  expect(asked('summary')).toEqual([]);

  await converse(project, 1, conversationId);
  expect(await summariesOf(conversationId, 1)).toEqual([
    {
      through: 5,
      summary: 'The visitor is Ada (1).',
      provider: 'openai',
      model: 'gpt-4o-mini',
      promptTokens: 120,
      completionTokens: 24,
    },
  ]);
  const [made] = asked('summary');
  expect(made.messages[1].content.match(/^Visitor: /gm)).toHaveLength(5);

  await converse(project, 1, conversationId);
  const answer = asked('answer').at(-1);
  expect(answer.messages.at(-1).content).toMatch(/<earlier-\w+>\nThe visitor is Ada \(1\)\.\n<\/earlier-/);
  // Turns 6 to 9 in full, each a question and a reply, between the rules and the question.
  expect(answer.messages).toHaveLength(1 + 2 * 4 + 1);
  expect(asked('rewriting').at(-1).messages[1].content).toContain('(Before that: The visitor is Ada (1).)');

  await converse(project, 4, conversationId);
  const rows = await summariesOf(conversationId, 2);
  expect(rows.map(({ through }) => through)).toEqual([5, 10]);
  expect(asked('summary').at(-1).messages[1].content).toContain(
    'Summary of what came before: The visitor is Ada (1).',
  );
  await ended(conversationId);
  expect(asked('summary')).toHaveLength(2);
});

test('rewriting and summaries count in the usage and in the budget', async () => {
  const project = await projectWith({ provider: 'openai', tokenLimit: 100_000 });
  const conversationId = await converse(project, 9);
  await summariesOf(conversationId, 1);
  await ended(conversationId);
  // Nine answers, eight questions made whole, one summary.
  expect(asked('rewriting')).toHaveLength(8);
  const total = (9 + 8 + 1) * 144;
  expect(await tokenState(environment.sql, project.id)).toEqual({ total, month: total, reserved: 0 });
  const { tokens, days } = (await project.api.call('GET', '/usage')).json;
  expect(tokens).toMatchObject({ prompt: 18 * 120, completion: 18 * 24, lost: 0 });
  expect(days.at(-1).tokens).toBe(total);
});

test('a project without tokens for a summary goes without', async () => {
  // Answers so short that a summary needs more than a turn.
  const settings = { provider: 'openai', maxOutputTokens: 50 };
  const project = await projectWith({ ...settings, tokenLimit: 100_000 });
  const conversationId = await converse(project, 8);
  const { total } = await tokenState(environment.sql, project.id);
  const oneTurn = reservationOf('What does shipping to Norway cost?', projectSettings.parse(settings));
  expect(oneTurn).toBeLessThan(summaryReservation);
  await environment.sql`
    update projects set settings = settings || ${environment.sql.json({ tokenLimit: total + oneTurn })}
    where id = ${project.id}`;
  await converse(project, 1, conversationId);
  await ended(conversationId);
  expect(asked('summary')).toEqual([]);
  expect((await tokenState(environment.sql, project.id)).reserved).toBe(0);
});

test('when the model fails, the turn stands and the next one tries again', async () => {
  const project = await projectWith({ provider: 'openai', tokenLimit: 100_000 });
  const conversationId = await converse(project, 8);
  openai.otherwise((body) => {
    if (kindOf(body) === 'summary') return { status: 500 };
    return { parts: ['Shipping to Norway costs 19 euros [1].'] };
  });
  await converse(project, 1, conversationId);
  await ended(conversationId);
  expect(asked('summary')).toHaveLength(3);
  const [turn] = await environment.sql`
    select id, status from turns where conversation_id = ${conversationId} order by position desc limit 1`;
  expect(turn!.status).toBe('answered');
  const handle = environment.temporal.workflow.getHandle(`turn/${turn!.id}`);
  expect((await handle.describe()).status.name).toBe('COMPLETED');
  expect((await tokenState(environment.sql, project.id)).reserved).toBe(0);

  openai.otherwise((body) => ({
    parts: [kindOf(body) === 'summary' ? 'At last.' : 'Shipping to Norway costs 19 euros [1].'],
  }));
  await converse(project, 1, conversationId);
  expect(await summariesOf(conversationId, 1)).toMatchObject([{ through: 6, summary: 'At last.' }]);
});

test('local summarises by rules and without tokens', async () => {
  const project = await projectWith({ provider: 'local' });
  const conversationId = await converse(project, 9);
  const [row] = await summariesOf(conversationId, 1);
  expect(row).toMatchObject({ through: 5, provider: 'local', promptTokens: 0, completionTokens: 0 });
  expect(row!.summary).toContain(
    '- What does shipping to Norway cost????? → Shipping to Norway costs 19 euros.',
  );
});

test('a stretch keeps its first summary, whoever comes second', async () => {
  const project = await projectWith({ provider: 'local' });
  const conversationId = await converse(project, 1);
  const { summaries } = environment.stores;
  const [turn] = await environment.sql`select id from turns where conversation_id = ${conversationId}`;
  const made = { through: 1, provider: 'local', model: 'm', promptTokens: 1, completionTokens: 1 };
  await summaries.save(project.id, conversationId, turn!.id, { ...made, text: 'first' });
  await summaries.save(project.id, conversationId, turn!.id, { ...made, text: 'second' });
  expect(await summaries.unsummarised(project.id, conversationId)).toEqual({ before: 'first', turns: [] });
});

test('what a terminated summary had reserved is given back with the next one, and counts as lost', async () => {
  const settings = projectSettings.parse({ tokenLimit: 100_000 });
  const project = await projectWith(settings);
  const conversationId = await converse(project, 1);
  const [turn] = await environment.sql`select id from turns where conversation_id = ${conversationId}`;
  const before = (await tokenState(environment.sql, project.id)).total;
  const { summaries } = environment.stores;
  await summaries.reserve(project.id, turn!.id, 1_000, settings);
  await environment.sql`update turns set finished_at = now() - interval '6 minutes' where id = ${turn!.id}`;
  await summaries.reserve(project.id, turn!.id, 2_000, settings);
  expect(await tokenState(environment.sql, project.id)).toMatchObject({
    total: before + 1_000,
    reserved: 2_000,
  });
});
