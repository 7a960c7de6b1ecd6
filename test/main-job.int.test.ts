import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';

let environment: TestEnvironment;
let project: TestProject;
let api: ReturnType<typeof createApiClient>;
let url: string;

const shipping = `# Shipping

## Norway

We ship to Norway in four to six days. Shipping to Norway costs 19 euros.

## Germany

Parcels to Germany arrive within two days and cost 5 euros.`;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  const [, server] = await Promise.all([environment.startWorker(), environment.startApi()]);
  url = server.url;
  api = createApiClient(url, project.key);
});
afterAll(() => environment?.close());

describe('a document', () => {
  test('is accepted, ingested and answers with its source', async () => {
    const documentId = await api.upload(shipping, { source: 'test', category: 'shipping' });
    const document = await api.ready(documentId);
    expect(document).toMatchObject({
      title: 'Shipping',
      source: 'test',
      status: 'ready',
      chunks: 2,
      error: null,
    });

    const answer = await api.ask('What does shipping to Norway cost?');
    expect(answer.status, answer.text).toBe(200);
    expect(answer.json.reply).toContain('19 euros');
    expect(answer.json.usage.totalTokens).toBeGreaterThan(0);
    expect(answer.json.sources[0]).toMatchObject({
      documentId,
      title: 'Shipping',
      heading: 'Shipping › Norway',
    });
    expect(shipping).toContain(answer.json.sources[0].quote);
    expect(answer.json.sources[0].score).toBeGreaterThan(0);
  });

  test('is listed, and search shows each leg and the fused score', async () => {
    const listed = await api.call('GET', '/documents');
    expect(listed.json.documents).toHaveLength(1);
    const found = await api.call('POST', '/retrieval/search', { query: 'parcels to Germany', limit: 2 });
    expect(found.json.results[0].text).toContain('Germany');
    expect(found.json.results[0].scores).toEqual({
      bm25: expect.any(Number),
      dense: expect.any(Number),
      fused: expect.any(Number),
      rerank: null,
    });
  });

  test('that is deleted stops answering at once and leaves nothing behind', async () => {
    const documentId = await api.upload('# Gift cards\n\nGift cards are valid for 41 months.');
    await api.ready(documentId);
    expect((await api.ask('How long are gift cards valid?')).json.reply).toContain('41 months');
    expect((await api.call('DELETE', `/documents/${documentId}`)).status).toBe(202);
    expect((await api.call('GET', `/documents/${documentId}`)).status).toBe(404);
    expect((await api.call('DELETE', `/documents/${documentId}`)).status).toBe(404);
    const after = await api.ask('How long are gift cards valid?');
    expect(JSON.stringify(after.json.sources)).not.toContain(documentId);
    await eventually(async () => {
      const [rows] = await environment.sql`
        select (select count(*) from documents where id = ${documentId})::int as documents,
          (select count(*) from chunks where document_id = ${documentId})::int as chunks`;
      return rows!.documents + rows!.chunks === 0 ? true : undefined;
    });
    await eventually(async () => {
      const { count } = await environment.elasticsearch.count({
        index: `${environment.indexPrefix}-chunks-*`,
        query: { term: { document_id: documentId } },
      });
      return count === 0 ? true : undefined;
    });
  });

  test('without a word of text fails with a reason', async () => {
    const documentId = await api.upload('\u200b');
    const document = await eventually(async () => {
      const { json } = await api.call('GET', `/documents/${documentId}`);
      return json.document.status === 'failed' ? json.document : undefined;
    });
    expect(document.error).toEqual({
      code: 'DOCUMENT_EMPTY',
      message: expect.stringContaining('no text'),
      step: 'chunking',
    });
  });
});

describe('a question', () => {
  test('that the documents do not answer is declined, with what came closest', async () => {
    const answer = await api.ask('Who painted the ceiling of the Sistine Chapel?');
    expect(answer.status).toBe(200);
    expect(answer.json.reply).toContain("I don't know");
    expect(answer.json.sources).toEqual([]);
    expect(answer.json.closest[0].title).toBe('Shipping');
  });

  test('continues a conversation, whose messages can be read', async () => {
    const first = await api.ask('What does shipping to Norway cost?');
    const { conversationId } = first.json;
    const second = await api.ask('How long do parcels to Germany take?', { conversationId });
    expect(second.json.conversationId).toBe(conversationId);
    const { json } = await api.call('GET', `/conversations/${conversationId}/messages`);
    expect(json.messages.map((message: { role: string }) => message.role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
    ]);
    expect(json.conversation.id).toBe(conversationId);
  });

  test('streams as NDJSON: start, tokens that add up to the message, done', async () => {
    const lines = await api.stream('/v1/chat/stream', {
      sessionId: 'n1',
      message: 'What does shipping to Norway cost?',
    });
    expect(lines[0]).toEqual({ type: 'start', conversationId: expect.any(String) });
    expect(lines.at(-1)).toMatchObject({ type: 'done', conversationId: lines[0].conversationId });
    const tokens = lines.slice(1, -1);
    expect(new Set(tokens.map((line) => line.type))).toEqual(new Set(['token']));
    expect(tokens.map((line) => line.token).join('')).toBe(lines.at(-1).message);
  });

  test('streams as frames, with sources', async () => {
    const lines = await api.stream('/v1/chat/turns', { message: 'What does shipping to Norway cost?' });
    const types = lines.map((line) => line.type);
    expect(types[0]).toBe('start');
    expect(types).toContain('token');
    expect(lines.at(-1)).toMatchObject({
      type: 'done',
      status: 'answered',
      reply: expect.stringContaining('19 euros'),
    });
    expect(lines.at(-1).sources).toHaveLength(lines.find((line) => line.type === 'sources').sources.length);
  });

  test('asked in one session at once are answered one after the other, in order', async () => {
    const ask = (message: string) => api.stream('/v1/chat/stream', { sessionId: 'busy', message });
    const all = await Promise.all(
      Array.from({ length: 5 }, (_, n) => ask(`What does shipping to Norway cost? ${n}`)),
    );
    expect(new Set(all.map((lines) => lines[0].conversationId)).size).toBe(1);
    expect(all.every((lines) => lines.at(-1).type === 'done')).toBe(true);
    const turns = await environment.sql<{ startedAt: Date; finishedAt: Date }[]>`
      select started_at, finished_at from turns where conversation_id = ${all[0]![0].conversationId} order by position`;
    expect(turns).toHaveLength(5);
    for (const [before, turn] of turns.slice(1).entries()) {
      expect(turn.startedAt.getTime()).toBeGreaterThanOrEqual(turns[before]!.finishedAt.getTime());
    }
  });

  test('can be found by operators, with a history that reads well and holds no texts', async () => {
    const question = 'How long do parcels to Germany take, Zanzibar?';
    const { json } = await api.ask(question);
    const workflowId = `turn/${json.turnId}`;
    await eventually(async () => {
      const query = `conversationId = "${json.conversationId}" and projectId = "${project.id}"`;
      for await (const found of environment.temporal.workflow.list({ query }))
        return found.workflowId === workflowId;
      return undefined;
    });
    const handle = environment.temporal.workflow.getHandle(workflowId);
    const description = await handle.describe();
    expect(await description.staticSummary()).toBe('answer a question');
    const history = await handle.fetchHistory();
    const size = JSON.stringify(history).length;
    expect(history.events!.length).toBeLessThanOrEqual(40);
    expect(size).toBeLessThan(64 * 1024);
    const payloads = history.events!.flatMap((event) => bytesOf(event)).join('\n');
    expect(payloads).toContain(json.turnId);
    for (const secret of ['Zanzibar', 'Germany', 'two days']) expect(payloads).not.toContain(secret);
  });
});

describe('the servers', () => {
  test('are reported by /health and /ready', async () => {
    expect((await api.call('GET', '/health')).json).toEqual({ status: 'ok' });
    const ready = await api.call('GET', '/ready');
    expect(ready.status).toBe(200);
    expect(ready.json).toEqual({
      status: 'ok',
      servers: { postgresql: { status: 'up' }, temporal: { status: 'up' }, elasticsearch: { status: 'up' } },
    });
  });
});

/** Every payload in an event, as text. */
function bytesOf(value: unknown): string[] {
  if (value instanceof Uint8Array) return [Buffer.from(value).toString()];
  if (value === null || typeof value !== 'object') return typeof value === 'string' ? [value] : [];
  return Object.values(value).flatMap(bytesOf);
}
