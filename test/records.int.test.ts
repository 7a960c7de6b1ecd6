import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { retentionSchedule, setUpSchedules } from '../temporal/schedules.ts';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';

let environment: TestEnvironment;
let project: TestProject;
let api: ReturnType<typeof createApiClient>;
let url: string;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  const [, server] = await Promise.all([environment.startWorker(), environment.startApi()]);
  url = server.url;
  api = createApiClient(url, project.key);
  await api.ready(await api.upload('# Shipping\n\nShipping to Norway costs 19 euros. It takes four days.'));
});
afterAll(() => environment?.close());

const question = 'What does shipping to Norway cost?';

test('conversations and messages are read by page and found by their words', async () => {
  const ids: string[] = [];
  for (const word of ['Aardvark', 'Badger', 'Civet']) {
    const { conversationId } = (await api.ask(`${question} I am a ${word}`)).json;
    for (const n of [1, 2]) await api.ask(`${question} ${word} ${n}`, { conversationId });
    ids.unshift(conversationId);
  }
  const pages: string[] = [];
  for (let path = '/conversations?limit=2'; path; ) {
    const { conversations, next } = (await api.call('GET', path)).json;
    pages.push(...conversations.map((conversation: { id: string }) => conversation.id));
    expect(conversations[0]).toMatchObject({ messageCount: 6, lastMessageAt: expect.any(String) });
    path = next ? `/conversations?limit=2&before=${next}` : '';
  }
  expect(pages).toEqual(ids);

  const find = async (words: string) => {
    const { conversations } = (await api.call('GET', `/conversations?q=${encodeURIComponent(words)}`)).json;
    return conversations.map((conversation: { id: string }) => conversation.id);
  };
  expect(await find('badger')).toEqual([ids[1]]);
  // Also in what was answered.
  expect(await find('"19 euros" civet')).toEqual([ids[0]]);
  expect(await find('norway -badger')).toEqual([ids[0], ids[2]]);
  expect(await find('nothing like it')).toEqual([]);

  const messages = `/conversations/${ids[1]}/messages`;
  const newest = (await api.call('GET', `${messages}?limit=2`)).json;
  expect(newest.messages.map(({ content }: { content: string }) => content)[0]).toContain('Badger 1');
  const older = (await api.call('GET', `${messages}?limit=2&before=${newest.next}`)).json;
  expect(older.messages[0].content).toContain('I am a Badger');
  expect(older.next).toBeNull();
  expect((await api.call('GET', `${messages}?q=badger 2`)).json.messages[0].content).toContain('Badger 2');
  const other = await environment.createProject();
  expect(
    (await createApiClient(url, other.key).call('GET', '/conversations?q=badger')).json.conversations,
  ).toEqual([]);
});

test('feedback is kept with the turn, replaced and taken back', async () => {
  const { turnId, conversationId } = (await api.ask(question)).json;
  const give = (body: object) => api.call('POST', `/v1/chat/turns/${turnId}/feedback`, body);
  await give({ rating: 'up' });
  expect((await give({ rating: 'down', text: ' wrong price ' })).json).toEqual({
    feedback: { rating: 'down', text: 'wrong price' },
  });
  const { messages } = (await api.call('GET', `/conversations/${conversationId}/messages`)).json;
  expect(messages[1].feedback).toEqual({ rating: 'down', text: 'wrong price' });
  expect((await give({ rating: null })).json).toEqual({ feedback: null });
  expect((await api.call('GET', `/v1/chat/turns/${turnId}`)).json.turn.feedback).toBeNull();
  expect((await give({ rating: 'sideways' })).status).toBe(400);
});

test('a turn says how its passages were found, and what was dropped', async () => {
  const withdrawn = await api.upload(
    '# Norway\n\nNorway shipping costs nothing at all, said the old price list.',
  );
  await api.ready(withdrawn);
  // Still in Elasticsearch, no longer published: the guard drops it.
  await environment.sql`update documents set current_version = null where id = ${withdrawn}`;
  const { turnId } = (await api.ask(question)).json;
  const found = await eventually(async () => {
    const answer = await api.call('GET', `/turns/${turnId}/retrieval`);
    return answer.status === 200 ? answer.json : undefined;
  });
  expect(found).toMatchObject({ question, query: null, found: { bm25: 2, dense: 2 } });
  expect(found.candidates).toHaveLength(1);
  expect(found.candidates[0]).toMatchObject({
    title: 'Shipping',
    bm25: { rank: expect.any(Number), score: expect.any(Number) },
    dense: { rank: expect.any(Number), score: expect.any(Number) },
    fused: 1,
    shown: true,
    text: expect.stringContaining('19 euros'),
  });
  expect(found.dropped).toMatchObject({ count: 1, chunks: [{ documentId: withdrawn, title: 'Norway' }] });
  await api.call('DELETE', `/documents/${withdrawn}`);
});

test('a question can be asked again now, apart from what visitors asked', async () => {
  const before = (await api.ask('What does engraving cost?')).json;
  expect(before.sources).toEqual([]);
  const documentId = await api.upload('# Engraving\n\nEngraving costs 7 euros a line.');
  await api.ready(documentId);
  const again = await api.call('POST', `/turns/${before.turnId}/ask-again`);
  expect(again.json.before).toMatchObject({ turnId: before.turnId, status: 'declined' });
  expect(again.json.now).toMatchObject({ status: 'answered', reply: expect.stringContaining('7 euros') });
  const listed = await api.call('GET', '/conversations?limit=500');
  expect(listed.text).not.toContain(again.json.now.conversationId);
  await api.call('DELETE', `/documents/${documentId}`);
});

test('unanswered questions are counted; an answer becomes a document and the question is asked again', async () => {
  const asked = ['Do you sell umbrellas?', 'do you sell UMBRELLAS', ' Do you sell -- umbrellas?!'];
  for (const wording of asked) expect((await api.ask(wording)).json.closest).toBeDefined();
  await api.ask('Who painted the Mona Lisa?');
  const list = async (query = '') => (await api.call('GET', `/unanswered${query}`)).json;
  const { questions } = await list();
  expect(questions[0]).toMatchObject({ question: asked[2]!.trim(), count: 3, answer: null });
  const first = await list('?limit=1');
  const second = await list(`?limit=1&after=${first.next}`);
  expect(second.questions[0].id).not.toBe(first.questions[0].id);

  const answered = await api.call(
    'POST',
    `/unanswered/${questions[0].id}/answer`,
    { answer: 'Yes, we sell umbrellas for 25 euros.' },
    { 'idempotency-key': 'umbrellas' },
  );
  expect(answered.status, answered.text).toBe(202);
  const repeated = await api.call(
    'POST',
    `/unanswered/${questions[0].id}/answer`,
    { answer: 'Yes, we sell umbrellas for 25 euros.' },
    { 'idempotency-key': 'umbrellas' },
  );
  expect(repeated.json.document.id).toBe(answered.json.document.id);
  const { answer } = await eventually(async () => {
    const all = (await list('?all=true')).questions;
    const found = all.find(({ id }: { id: string }) => id === questions[0].id);
    return found?.answer?.turnId ? found : undefined;
  });
  expect(answer).toMatchObject({ documentId: answered.json.document.id, documentStatus: 'ready' });
  const turn = await eventually(async () => {
    const { json } = await api.call('GET', `/v1/chat/turns/${answer.turnId}`);
    return json.turn.status === 'answered' ? json.turn : undefined;
  });
  expect(turn.reply).toContain('25 euros');
  expect((await list()).questions.map(({ id }: { id: string }) => id)).not.toContain(questions[0].id);
  expect((await api.call('POST', `/unanswered/${'0'.repeat(32)}/answer`, { answer: 'x' })).status).toBe(404);
});

test('a person is offered where the documents do not answer, as the project says', async () => {
  const unanswered = 'Who painted the Mona Lisa?';
  const change = (settings: object) => environment.sql`
    update projects set settings = settings || ${environment.sql.json(settings as never)} where id = ${project.id}`;
  expect((await api.ask(unanswered)).json.offer).toBeUndefined();
  await change({ contactEmail: 'desk@shop.example' });
  const email = { type: 'email', email: 'desk@shop.example' };
  const { json } = await api.ask(unanswered);
  expect(json).toMatchObject({ sources: [], offer: email });
  const lines = await api.stream('/v1/chat/turns', { message: unanswered });
  expect(lines.at(-1)).toMatchObject({ status: 'declined', offer: email });
  expect((await api.ask(question)).json.offer).toBeUndefined();
  await change({ leads: { mode: 'unanswered' } });
  const { turn } = (await api.call('GET', `/v1/chat/turns/${json.turnId}`)).json;
  expect(turn.offer).toEqual({ type: 'lead' });
});

test('everything is exported as JSON and as CSV that is safe to open', async () => {
  const { turnId } = (
    await api.ask('=HYPERLINK("http://evil.example"), what does shipping to Norway cost?\nTell me')
  ).json;
  const json = await api.call('GET', '/conversations/export');
  expect(json.headers.get('content-type')).toMatch(/application\/json/);
  const [row] = await environment.sql`
    select count(*)::int as count from turns t join conversations c on c.id = t.conversation_id
    where t.project_id = ${project.id} and not c.test`;
  expect(json.json.turns).toHaveLength(row!.count);
  const exported = json.json.turns.at(-1);
  expect(exported).toMatchObject({
    turnId,
    status: expect.any(String),
    message: expect.stringContaining('HYPERLINK'),
  });
  const later = await api.call('GET', `/conversations/export?from=${exported.createdAt}`);
  expect(later.json.turns).toHaveLength(1);

  const csv = await api.call('GET', `/conversations/export?format=csv&from=${exported.createdAt}`);
  expect(csv.headers.get('content-disposition')).toContain('conversations.csv');
  expect(csv.text).toContain('conversationId,sessionId,turnId');
  expect(csv.text).toContain(
    '"\'=HYPERLINK(""http://evil.example""), what does shipping to Norway cost?\nTell me"',
  );
  expect((await createApiClient(url, project.widgetKey).call('GET', '/conversations/export')).status).toBe(
    403,
  );
});

test('what a project does not want to keep is removed by the nightly schedule', async () => {
  const { sql, temporal } = environment;
  const careful = await environment.createProject();
  await sql`update projects set settings = settings || '{"retentionDays": 30}' where id = ${careful.id}`;
  const ask = async (message: string) => {
    const { turnId, conversationId } = await environment.stores.turns.accept(
      careful.id,
      { message, conversation: 'new' },
      undefined,
    );
    await environment.stores.turns.recordFailure(careful.id, turnId, {
      code: 'TEST',
      message: 'made for this test',
    });
    return conversationId;
  };
  const age = async (conversationId: string, days: number, lastDays = days) => {
    await sql`update conversations set created_at = now() - ${days} * interval '1 day' where id = ${conversationId}`;
    await sql`update turns set created_at = now() - ${lastDays} * interval '1 day'
      where conversation_id = ${conversationId}`;
  };
  const [old, goesOn, young] = [await ask('old'), await ask('goes on'), await ask('young')];
  await age(old, 31);
  await age(goesOn, 60, 5);
  await age(young, 29);
  const kept = (await api.ask(question)).json.conversationId;
  await age(kept, 4_000);

  await setUpSchedules(temporal);
  await setUpSchedules(temporal);
  const schedule = temporal.schedule.getHandle(retentionSchedule);
  await schedule.trigger();
  const left = async () => {
    const rows = await sql<{ id: string }[]>`
      select id from conversations where id in ${sql([old, goesOn, young, kept])} order by id`;
    return rows.map(({ id }) => id);
  };
  await eventually(async () => ((await left()).includes(old) ? undefined : true));
  expect(await left()).toEqual([goesOn, young, kept].sort());
  const [turns] = await sql`select count(*)::int as count from turns where conversation_id = ${old}`;
  expect(turns!.count).toBe(0);
  await schedule.delete();
});
