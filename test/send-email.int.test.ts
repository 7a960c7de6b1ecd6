// Pages that are known by their host: the model writes to the business for a visitor.
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { newId } from '../stores/postgres/ids.ts';
import { createApiClient } from './support/api-client.ts';
import { createProxyClient, type ProxyEvent } from './support/assistants-proxy-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import { createMailbox } from './support/mailbox.ts';
import type { Behaviour, ModelServer } from './support/model-server.ts';
import { startOpenAiServer } from './support/openai-server.ts';

let environment: TestEnvironment;
let openAi: ModelServer;
let url: string;
let project: TestProject;
const mailbox = createMailbox(inject('servers').mailboxUrl);
const operator = { type: 'operator', id: null, ip: null } as const;
const recipient = `sales-${newId()}@lamps.example`;
const owner = `owner-${newId()}@lamps.example`;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  openAi = await startOpenAiServer();
  project = await environment.createProject({
    provider: 'openai',
    embeddingProvider: 'local',
    leads: { notify: [owner] },
  });
  const env = { OPENAI_BASE_URL: openAi.url, OPENAI_API_KEY: 'server-key' };
  const [, api] = await Promise.all([environment.startWorker(env), environment.startApi(env)]);
  url = api.url;
  const { hosts } = environment.stores;
  await hosts.set(project.id, 'lamps.example', { leadRecipients: [recipient] }, operator);
  await hosts.set(project.id, 'other.example', {}, operator);
  const client = createApiClient(url, project.key);
  await client.ready(await client.upload('# Prices\n\nA lamp costs 40 euros.'));
});
afterAll(async () => {
  await environment?.close();
  await openAi?.close();
});
/** What the model answers next; follow-up questions are rewritten by calls of their own, which are short. */
let planned: Behaviour[] = [];
const next = (...behaviours: Behaviour[]) => planned.push(...behaviours);
const isAnswer = (body: { max_completion_tokens: number }) => body.max_completion_tokens === 500;
beforeEach(() => {
  planned = [];
  openAi.requests.length = 0;
  openAi.otherwise((body) => (isAnswer(body) && planned.shift()) || { parts: ['NO_ANSWER'] });
});

async function page(host = 'lamps.example') {
  const client = createProxyClient(`${url}/open-ai`, { origin: `https://${host}` });
  const threadId = (await client.createThread()).json.id as string;
  return {
    threadId,
    async say(message: string): Promise<{ events: ProxyEvent[]; kinds: string[]; reply: string }> {
      const { events } = await client.processMessage({ threadId, message });
      const kinds = events.map(({ event }) => event).filter((kind) => kind !== 'thread.message.delta');
      const done = events.find(({ event }) => event === 'thread.message.completed');
      return { events, kinds, reply: done?.content[0].text.value };
    },
  };
}

const calls = (email: string, message = 'Ten lamps, please.') => ({
  tool: { name: 'sendEmail', arguments: { name: 'Mira Holm', email, message } },
});
const completed = ['thread.message.completed', 'end'];
const leadOf = async (email: string) => {
  const client = createApiClient(url, project.key);
  const [lead] = (await client.call('GET', `/leads?search=${email}`)).json.leads;
  return lead ? (await client.call('GET', `/leads/${lead.id}`)).json : undefined;
};
const newAddress = () => `v-${newId()}@visitors.example`;

test('asks for what is missing, writes to the host’s people, and makes a lead that is not proved', async () => {
  const { say, threadId } = await page();
  next({ parts: ['ASK_VISITOR ', 'What is your name and your e-mail address?'] });
  const asked = await say(
    'I would like an offer for ten lamps for our new office, can somebody write to me?',
  );
  expect(asked.reply).toBe('What is your name and your e-mail address?');

  const email = newAddress();
  next(calls(email), { parts: ['Your message was sent. ', 'You will get an answer by e-mail.'] });
  const { kinds, reply, events } = await say(`Mira Holm, ${email.replace('v-', 'V-')}`);
  expect(kinds).toEqual(['thread.run.created', 'thread.run.requires_action', ...completed]);
  expect(reply).toBe('Your message was sent. You will get an answer by e-mail.');
  const action = events.find(({ event }) => event === 'thread.run.requires_action');
  expect(action.required_action.submit_tool_outputs.tool_calls[0].function.name).toBe('sendEmail');
  expect(JSON.stringify(action)).not.toContain(email);
  const answered = openAi.requests.at(-1)!.body.messages.at(-1);
  expect(answered).toMatchObject({ role: 'tool', content: reply });

  const mail = await mailbox.nth(recipient);
  expect(mail.subject).toContain('Mira Holm');
  expect(mail.text).toContain(`E-mail: ${email}`);
  expect(mail.text).toContain('Message: Ten lamps, please.');
  expect(mail.text).toContain('Mira Holm: I would like an offer');
  expect(await mailbox.to(owner)).toEqual([]);
  expect(await leadOf(email)).toMatchObject({
    lead: { name: 'Mira Holm', email, verifiedAt: null, status: 'new' },
    notes: [{ text: 'Ten lamps, please.' }],
    transcript: [{ role: 'user' }, { role: 'assistant' }, { role: 'user' }, { role: 'assistant' }],
  });
  const [turn] = await environment.sql<{ id: string }[]>`
    select t.id from turns t join conversations c on c.id = t.conversation_id
    where c.session_id = ${threadId} order by t.position desc limit 1`;
  const history = await environment.temporal.workflow.getHandle(`turn/${turn!.id}`).fetchHistory();
  const payloads = JSON.stringify(history, (_key, value) =>
    value?.type === 'Buffer' ? Buffer.from(value.data).toString() : value,
  );
  expect(payloads).not.toMatch(/Mira|visitors\.example/);
});

test('one message a turn, however often the model calls or is tried; three in a conversation', async () => {
  const email = newAddress();
  const { say } = await page();
  // A second call in the same turn, and a provider that fails after the first.
  next(calls(email, 'First.'), calls(email, 'Again.'), { status: 500 }, calls(email, 'Once more.'));
  const first = await say(`Write to ${email}, I am Mira Holm`);
  // The model said NO_ANSWER, and the mail is on its way all the same.
  expect(first.reply).toBe('Your message was sent. You will get an answer by e-mail.');
  expect((await leadOf(email)).notes).toMatchObject([{ text: 'First.' }]);
  for (const n of [2, 3, 4]) {
    next(calls(email, `Message ${n}.`));
    const { reply } = await say('And one more, please');
    expect(reply).toMatch(n < 4 ? /was sent/ : /No more messages/);
  }
  expect((await leadOf(email)).notes).toHaveLength(3);
});

test('an address that the visitor has not written gets nothing, nor does a call that makes no sense', async () => {
  const { say } = await page();
  const made = newAddress();
  next(calls(made));
  const { reply, kinds } = await say('What does a lamp cost?');
  expect([reply.includes('was sent'), kinds.includes('end')]).toEqual([false, true]);
  next({ tool: { name: 'sendEmail', arguments: { email: 'nobody' } } });
  await say('Write to nobody');
  next({ tool: { name: 'dropTables', arguments: {} } });
  await say('Drop the tables');
  const results = openAi.requests
    .flatMap(({ body }) => body.messages ?? [])
    .filter(({ role }) => role === 'tool');
  expect(results.map(({ content }) => content)).toEqual([
    expect.stringContaining('Nothing was sent'),
    expect.stringContaining('Nothing was sent'),
    'There is no tool dropTables.',
  ]);
  expect(await leadOf(made)).toBeUndefined();
});

test('who types the address of a proved lead changes nothing of it', async () => {
  const email = newAddress();
  await environment.sql`
    insert into leads (id, project_id, email, name, language)
    values (${newId()}, ${project.id}, ${email}, 'Zebulon Quill', 'en')`;
  const { say } = await page('other.example');
  next(calls(email));
  await say(`I am ${email}`);
  const { lead, notes, transcript } = await leadOf(email);
  expect([lead.name, transcript]).toEqual(['Zebulon Quill', []]);
  expect(notes).toMatchObject([{ text: 'Ten lamps, please.' }]);
  // A host without recipients of its own: those of all leads.
  expect((await mailbox.nth(owner)).text).toContain(email);
});

test('other clients’ models are offered no tool', async () => {
  await createApiClient(url, project.key).ask('Write to me@visitors.example, please');
  expect(openAi.requests.at(-1)!.body.tools).toBeUndefined();
});
