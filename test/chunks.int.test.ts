import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';

let environment: TestEnvironment;
let api: ReturnType<typeof createApiClient>;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  const project = await environment.createProject();
  const [server] = await Promise.all([environment.startApi(), environment.startWorker()]);
  api = createApiClient(server.url, project.key);
});
afterAll(() => environment?.close());

const search = async (query: string, extra: object = {}) =>
  (await api.call('POST', '/retrieval/search', { query, limit: 3, ...extra })).json.results as {
    text: string;
    documentId: string;
    scores: { bm25: number | null };
  }[];

test('chunks are looked at, edited and switched off, and a later version takes that over', async () => {
  const content = '# Ferry\n\n## Summer\n\nIt sails at noon.\n\n## Winter\n\nIt stays in the harbour.';
  const id = await api.upload(content);
  await api.ready(id);
  const chunks = async () => (await api.call('GET', `/documents/${id}/chunks`)).json.chunks;
  const [summer, winter] = await chunks();
  expect(summer).toMatchObject({
    ordinal: 0,
    headingPath: ['Ferry', 'Summer'],
    enabled: true,
    edited: false,
  });
  expect(content.slice(summer.startOffset, summer.endOffset)).toBe(summer.text);
  const page = await api.call('GET', `/documents/${id}/chunks?limit=1`);
  expect(page.json).toMatchObject({ chunks: [{ ordinal: 0 }], nextAfter: 0 });

  const patch = (chunkId: string, body: object) =>
    api.call('PATCH', `/documents/${id}/chunks/${chunkId}`, body);
  expect((await patch(winter.id, { enabled: false })).json.chunk).toMatchObject({ enabled: false });
  expect(await search('stays in the harbour')).not.toContainEqual(
    expect.objectContaining({ text: winter.text }),
  );
  const edited = await patch(summer.id, { text: 'It departs at two, from the zeppelin pier.' });
  expect(edited.json.chunk, edited.text).toMatchObject({ edited: true });
  await eventually(async () => {
    const [first] = await search('zeppelin');
    return first?.scores.bm25 && first.text.includes('zeppelin pier') ? true : undefined;
  });
  expect((await patch('00000000-0000-4000-8000-000000000000', { enabled: false })).json.code).toBe(
    'CHUNK_NOT_FOUND',
  );
  expect((await patch(summer.id, {})).status).toBe(400);

  await api.call('POST', `/documents/${id}/reindex`);
  await api.ready(id);
  expect(
    (await chunks()).map(({ version, text, enabled }: Record<string, unknown>) => [version, text, enabled]),
  ).toEqual([
    [2, 'It departs at two, from the zeppelin pier.', true],
    [2, 'It stays in the harbour.', false],
  ]);
  expect((await search('zeppelin'))[0]!.text).toContain('zeppelin pier');
});

test('a search can be narrowed by metadata', async () => {
  const upload = async (place: string, tags: string[]) => {
    const id = await api.upload(`The market of ${place} opens at eight.`, { place, tags });
    await api.ready(id);
    return id;
  };
  const oslo = await upload('Oslo', ['north', 'sea']);
  const bern = await upload('Bern', ['south']);
  const found = async (filter: object) =>
    (await search('market', { filter })).map(({ documentId }) => documentId);
  expect((await found({})).sort()).toEqual(expect.arrayContaining([oslo, bern].sort()));
  expect(await found({ place: 'Oslo' })).toEqual([oslo]);
  expect(await found({ tags: ['north'] })).toEqual([oslo]);
  expect(await found({ place: 'Oslo', tags: ['south'] })).toEqual([]);
  await api.call('PATCH', `/documents/${bern}`, { metadata: { place: 'Oslo' } });
  expect((await found({ place: 'Oslo' })).sort()).toEqual([bern, oslo].sort());
});

test('test questions are asked, and their scores kept', async () => {
  expect((await api.call('POST', '/retrieval/evaluate')).json.code).toBe('TEST_QUESTIONS_REQUIRED');
  const lamp = await api.upload('The Brandel lamp has a warranty of 37 months.');
  const chair = await api.upload('The oak chair weighs nine kilos.');
  await Promise.all([lamp, chair].map((id) => api.ready(id)));
  const add = (question: string, expectedDocuments: string[]) =>
    api.call('POST', '/retrieval/questions', { question, expectedDocuments });
  expect((await add('How long is the warranty of the Brandel lamp?', [lamp])).status).toBe(201);
  const wrong = await add('What does the oak chair weigh?', ['00000000-0000-4000-8000-000000000000']);
  expect((await api.call('GET', '/retrieval/questions')).json.questions).toHaveLength(2);

  const evaluate = async () => {
    const begun = await api.call('POST', '/retrieval/evaluate', { depth: 3 });
    expect(begun.status, begun.text).toBe(202);
    return await eventually(async () => {
      const { json } = await api.call('GET', `/retrieval/evaluations/${begun.json.evaluation.id}`);
      return json.evaluation.status === 'done' ? json : undefined;
    });
  };
  const first = await evaluate();
  expect(first.evaluation).toMatchObject({ questions: 2, asked: 2, recall: 0.5, reciprocalRank: 0.5 });
  expect(first.results[0].foundDocuments[0]).toBe(lamp);
  await api.call('DELETE', `/retrieval/questions/${wrong.json.question.id}`);
  await add('What does the oak chair weigh?', [chair]);
  expect((await evaluate()).evaluation).toMatchObject({ recall: 1, reciprocalRank: 1 });
  const { json } = await api.call('GET', '/retrieval/evaluations');
  expect(json.evaluations.map(({ recall }: { recall: number }) => recall)).toEqual([1, 0.5]);
});
