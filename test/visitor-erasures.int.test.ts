import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { newId } from '../stores/postgres/ids.ts';
import { newApiKey } from '../stores/postgres/keys.ts';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import { createMailbox } from './support/mailbox.ts';
import { startVisitor } from './support/visitor.ts';

let environment: TestEnvironment;
let project: TestProject;
let api: ReturnType<typeof createApiClient>;
let admin: ReturnType<typeof createApiClient>;
const mailbox = createMailbox(inject('servers').mailboxUrl);

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  const secret = newApiKey('test');
  await environment.stores.keys.create(project.id, {
    key: secret,
    name: 'secret',
    kind: 'secret',
    environment: 'test',
  });
  await environment.startWorker();
  const { url } = await environment.startApi();
  api = createApiClient(url, project.key);
  admin = createApiClient(url, secret);
  await api.ready(await api.upload('# Prices\n\nA lamp costs 40 euros.'));
});
afterAll(() => environment?.close());

async function verified(name: string, email: string) {
  const visitor = await startVisitor(api);
  await visitor.say('What does a lamp cost?');
  await visitor.say(name);
  await visitor.say(email);
  expect((await visitor.verify(await mailbox.code(email))).status).toBe(200);
  return visitor;
}

/** Every text column of every table, searched for the words. */
async function found(words: readonly string[]): Promise<string[]> {
  const tables = await environment.sql<{ tableName: string }[]>`
    select table_name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`;
  const hits: string[] = [];
  for (const { tableName } of tables) {
    for (const word of words) {
      const [row] = await environment.sql<{ n: number }[]>`
        select count(*)::int as n from ${environment.sql(tableName)} as t where t::text ilike ${`%${word}%`}`;
      if (row!.n > 0) hits.push(`${tableName}: ${word}`);
    }
  }
  return hits;
}

test('a visitor is erased everywhere, with a receipt; the others stay', { timeout: 120_000 }, async () => {
  const email = `erase-${newId()}@visitors.example`;
  const other = `stay-${newId()}@visitors.example`;
  const gone = await verified('Zebulon Quill', email);
  const stays = await verified('Someone Else', other);
  // The same address, given in a session that was never verified.
  const open = await startVisitor(api);
  await open.say('Zebulon Quill');
  await open.say(email);
  const { leads } = (await api.call('GET', '/leads')).json;
  const lead = leads.find((candidate: { email: string }) => candidate.email === email);
  const turnIds = (await api.call('GET', `/leads/${lead.id}`)).json.transcript.map(
    (message: { turnId: string }) => message.turnId,
  );
  expect(turnIds.length).toBeGreaterThan(0);

  const data = (await admin.call('GET', `/leads/${lead.id}/data`)).json;
  expect(data).toMatchObject({
    lead: { email, name: 'Zebulon Quill' },
    sessions: [{ stage: 'ready' }, { stage: 'awaiting_otp' }],
    conversations: [{ turns: [{ question: 'What does a lamp cost?' }] }],
    mails: [{ template: 'lead_code' }, { template: 'lead_code' }],
  });
  expect((await admin.call('GET', `/leads/${newId()}/data`)).status).toBe(404);

  expect((await api.call('POST', `/leads/${lead.id}/erase`)).status).toBe(403);
  const accepted = await admin.call('POST', `/leads/${lead.id}/erase`);
  expect(accepted.status, accepted.text).toBe(202);
  const again = await admin.call('POST', `/leads/${lead.id}/erase`);
  expect([202, 404]).toContain(again.status);
  const receipt = await eventually(async () => {
    const { erasure } = (await admin.call('GET', `/erasures/${accepted.json.erasure.id}`)).json;
    return erasure.status === 'finished' ? erasure : undefined;
  }, 60_000);
  expect(receipt.removed).toMatchObject({ leads: 1, sessions: 2, conversations: 1, mails: 2, turns: 1 });
  expect(new Set(Object.values(receipt.remaining))).toEqual(new Set([0]));

  expect(await found([email, 'Zebulon'])).toEqual([]);
  for (const workflowId of [
    `lead/${gone.sessionId}`,
    `lead/${open.sessionId}`,
    ...turnIds.map((id: string) => `turn/${id}`),
  ]) {
    const described = environment.temporal.workflow.getHandle(workflowId).describe();
    await expect(described).rejects.toThrow(/not found/i);
  }
  expect((await gone.chat('Hello again')).json.code).toBe('ASSISTANT_SESSION_NOT_FOUND');
  expect((await stays.say('What does a lamp cost?')).stage).toBe('ready');
  expect((await api.call('GET', '/leads')).json.leads).toMatchObject([{ email: other }]);
});
