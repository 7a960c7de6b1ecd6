import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Answer, createApiClient } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';

let environment: TestEnvironment;
let project: TestProject;
let api: ReturnType<typeof createApiClient>;
let url: string;
const limit = 10_000;
const unknownId = '00000000-0000-4000-8000-000000000000';

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  url = (await environment.startApi({ MAX_CONTENT_BYTES: String(limit) })).url;
  api = createApiClient(url, project.key);
});
afterAll(() => environment?.close());

/** The one error format, and nothing that a client should not see. */
function expectError(answer: Answer, status: number, code: string): void {
  expect(answer.status, answer.text).toBe(status);
  expect(answer.json).toMatchObject({
    code,
    error: code,
    message: expect.any(String),
    requestId: expect.any(String),
  });
  expect(answer.text).not.toMatch(/\bat .+:\d+|stack|select /i);
}

describe('is refused with a clear 4xx', () => {
  test.each<[string, string, string, unknown, number, string]>([
    ['malformed JSON', 'POST', '/chat', '{"message":', 400, 'INVALID_JSON'],
    ['an empty body', 'POST', '/chat', '', 400, 'INVALID_JSON'],
    ['a body that is no object', 'POST', '/chat', '[1]', 400, 'INVALID_REQUEST'],
    ['no message', 'POST', '/chat', {}, 400, 'MESSAGE_REQUIRED'],
    ['an empty message', 'POST', '/chat', { message: '  ' }, 400, 'MESSAGE_REQUIRED'],
    ['a message of the wrong type', 'POST', '/chat', { message: 7 }, 400, 'INVALID_REQUEST'],
    ['a message that is too long', 'POST', '/chat', { message: 'x'.repeat(8_001) }, 400, 'INVALID_REQUEST'],
    [
      'an unknown conversation',
      'POST',
      '/chat',
      { message: 'x', conversationId: unknownId },
      404,
      'CONVERSATION_NOT_FOUND',
    ],
    [
      'a conversation id that is none',
      'POST',
      '/chat',
      { message: 'x', conversationId: 'abc' },
      400,
      'INVALID_REQUEST',
    ],
    ['no session', 'POST', '/v1/chat/stream', { message: 'x' }, 400, 'INVALID_REQUEST'],
    ['no content', 'POST', '/upload-doc', { metadata: {} }, 400, 'CONTENT_REQUIRED'],
    ['empty content', 'POST', '/upload-doc', { content: ' \n', metadata: {} }, 400, 'CONTENT_REQUIRED'],
    ['content of the wrong type', 'POST', '/upload-doc', { content: { a: 1 } }, 400, 'INVALID_REQUEST'],
    [
      'metadata of the wrong type',
      'POST',
      '/upload-doc',
      { content: 'x', metadata: 'y' },
      400,
      'INVALID_REQUEST',
    ],
    ['an unknown document', 'GET', `/documents/${unknownId}`, undefined, 404, 'DOCUMENT_NOT_FOUND'],
    ['a document id that is none', 'GET', '/documents/not-an-id', undefined, 404, 'DOCUMENT_NOT_FOUND'],
    [
      'deleting an unknown document',
      'DELETE',
      `/documents/${unknownId}`,
      undefined,
      404,
      'DOCUMENT_NOT_FOUND',
    ],
    ['a limit that is none', 'GET', '/documents?limit=0', undefined, 400, 'INVALID_REQUEST'],
    ['an empty search', 'POST', '/retrieval/search', { query: '' }, 400, 'INVALID_REQUEST'],
    ['an unknown route', 'GET', '/nothing', undefined, 404, 'ROUTE_NOT_FOUND'],
  ])('%s', async (_name, method, path, body, status, code) => {
    expectError(await api.call(method, path, body), status, code);
  });

  test('a content type that is not JSON', async () => {
    const answer = await api.call('POST', '/chat', 'message=x', { 'content-type': 'application/xml' });
    expectError(answer, 415, 'UNSUPPORTED_MEDIA_TYPE');
  });

  test('content that is one byte too long, counted in bytes; one byte less is accepted', async () => {
    const fits = `${'ä'.repeat(limit / 2 - 1)}xx`;
    expect(Buffer.byteLength(fits)).toBe(limit);
    const refused = await api.call('POST', '/upload-doc', { content: `${fits}x` });
    expectError(refused, 413, 'CONTENT_TOO_LARGE');
    expect(refused.json.details).toEqual({ bytes: limit + 1, limit });
    await api.upload(fits);
  });

  test('a body far over the limit', async () => {
    expectError(
      await api.call('POST', '/upload-doc', { content: 'x'.repeat(20 * limit) }),
      413,
      'CONTENT_TOO_LARGE',
    );
  });

  test('no key, and an unknown one', async () => {
    const anonymous = createApiClient(url, undefined);
    expectError(await anonymous.ask('x'), 401, 'API_KEY_REQUIRED');
    expectError(await createApiClient(url, 'nope').ask('x'), 401, 'INVALID_API_KEY');
  });

  test('an Idempotency-Key that is too long', async () => {
    expectError(await api.ask('x', {}, { 'idempotency-key': 'k'.repeat(256) }), 400, 'INVALID_REQUEST');
  });
});

test('ids of another project are unknown', async () => {
  const other = createApiClient(url, (await environment.createProject()).key);
  const documentId = await api.upload('Ours.');
  expectError(await other.call('GET', `/documents/${documentId}`), 404, 'DOCUMENT_NOT_FOUND');
  expectError(await other.call('DELETE', `/documents/${documentId}`), 404, 'DOCUMENT_NOT_FOUND');
  const { conversationId } = await environment.stores.turns.accept(
    project.id,
    { message: 'x', conversation: 'new' },
    undefined,
  );
  expectError(await other.ask('x', { conversationId }), 404, 'CONVERSATION_NOT_FOUND');
  expectError(
    await other.call('GET', `/conversations/${conversationId}/messages`),
    404,
    'CONVERSATION_NOT_FOUND',
  );
  expect((await other.call('GET', '/documents')).json.documents).toEqual([]);
});

test('a key in a page can chat and nothing else', async () => {
  const origin = { origin: 'http://localhost:8080' };
  for (const [method, path] of [
    ['GET', '/documents'],
    ['GET', '/conversations'],
  ] as const) {
    expectError(await api.call(method, path, undefined, origin), 403, 'INSUFFICIENT_SCOPE');
  }
  expectError(await api.call('POST', '/upload-doc', { content: 'x' }, origin), 403, 'INSUFFICIENT_SCOPE');
  expectError(
    await createApiClient(url, project.widgetKey).call('GET', '/documents'),
    403,
    'INSUFFICIENT_SCOPE',
  );
  const preflight = await fetch(`${url}/chat`, {
    method: 'OPTIONS',
    headers: {
      origin: 'https://shop.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type,x-api-key',
    },
  });
  expect(preflight.ok).toBe(true);
  expect(preflight.headers.get('access-control-allow-origin')).toBe('https://shop.example');
});

test('nothing that was refused is stored', async () => {
  const before = await rowCounts();
  await api.call('POST', '/upload-doc', { content: 'x'.repeat(limit + 1) }, { 'idempotency-key': 'refused' });
  await api.ask('x', { conversationId: unknownId }, { 'idempotency-key': 'refused' });
  await api.call('POST', '/chat', '{"message":');
  expect(await rowCounts()).toEqual(before);
});

async function rowCounts() {
  const [row] = await environment.sql`
    select (select count(*) from documents) as documents, (select count(*) from document_versions) as versions,
      (select count(*) from blobs) as blobs, (select count(*) from conversations) as conversations,
      (select count(*) from turns) as turns, (select count(*) from dispatches) as dispatches,
      (select count(*) from idempotency_keys) as idempotency_keys`;
  return row;
}
