import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Answer, createApiClient, eventually } from './support/api-client.ts';
import { docx, paragraph, pdf, xlsx, zip } from './support/documents.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import { entityBomb, externalEntity, pdfBomb, zipBomb } from './support/hostile.ts';

let environment: TestEnvironment;
let project: TestProject;
let api: ReturnType<typeof createApiClient>;
let worker: Awaited<ReturnType<TestEnvironment['startWorker']>>;
let url: string;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  const [server, started] = await Promise.all([
    environment.startApi({ MAX_CONTENT_BYTES: String(20_000_000) }),
    environment.startWorker(),
  ]);
  [url, worker] = [server.url, started];
  api = createApiClient(url, project.key);
});
afterAll(() => environment?.close());

async function uploadFile(
  bytes: Uint8Array,
  filename: string,
  options: {
    type?: string;
    fields?: Record<string, string>;
    headers?: Record<string, string>;
    /** Replaces the content of this document. */
    documentId?: string;
  } = {},
): Promise<Pick<Answer, 'status' | 'json'>> {
  const form = new FormData();
  for (const [name, value] of Object.entries(options.fields ?? {})) form.append(name, value);
  form.append('file', new Blob([new Uint8Array(bytes)], { type: options.type ?? '' }), filename);
  const { documentId } = options;
  const response = await fetch(url + (documentId ? `/documents/${documentId}` : '/upload-doc/file'), {
    method: documentId ? 'PUT' : 'POST',
    headers: { 'x-api-key': project.key, ...options.headers },
    body: form,
  });
  return { status: response.status, json: await response.json() };
}

async function ended(documentId: string, withinMs = 200_000) {
  return await eventually(async () => {
    const { document } = (await api.call('GET', `/documents/${documentId}`)).json;
    return ['ready', 'failed', 'cancelled'].includes(document.status) ? document : undefined;
  }, withinMs);
}

describe('a file', () => {
  test('as a form: a PDF answers with the page that the answer is on', async () => {
    const bytes = pdf([
      [{ text: 'This handbook describes the Brandel lamp and how it is cared for.', x: 50, y: 700 }],
      [{ text: 'The warranty of the Brandel lamp is 37 months.', x: 50, y: 700 }],
    ]);
    const { status, json } = await uploadFile(bytes, 'handbook.pdf', {
      fields: { metadata: JSON.stringify({ category: 'manuals' }), author: 'test' },
    });
    expect(status, JSON.stringify(json)).toBe(202);
    expect(json.document).toMatchObject({ title: 'handbook', filename: 'handbook.pdf', status: 'queued' });
    const document = await api.ready(json.document.id);
    expect(document).toMatchObject({
      mimeType: 'application/pdf',
      pages: 2,
      language: 'en',
      metadata: { category: 'manuals', author: 'test' },
    });
    const answer = await api.ask('How long is the warranty of the Brandel lamp?');
    expect(answer.json.sources[0], answer.text).toMatchObject({ documentId: document.id, page: 2 });
    expect(answer.json.reply).toContain('37 months');
  });

  test('as base64 and as text inside JSON', async () => {
    const file = { filename: 'prices.csv', mimeType: 'text/csv', metadata: { title: 'Prices' } };
    const csv = 'Artikel;Preis\nStuhl;49 Euro\nTisch;119 Euro\n';
    const base64 = await api.call('POST', '/upload-doc/file', {
      ...file,
      encoding: 'base64',
      content: Buffer.from(csv).toString('base64'),
    });
    expect(base64.status, base64.text).toBe(202);
    const text = await api.call('POST', '/upload-doc/file', { ...file, content: csv });
    expect(text.json.document.title).toBe('Prices');
    await Promise.all([base64, text].map(({ json }) => api.ready(json.document.id)));
    expect((await api.call('GET', `/documents/${text.json.document.id}`)).json.document).toMatchObject({
      duplicateOf: base64.json.document.id,
      language: 'de',
    });
    const found = await api.call('POST', '/retrieval/search', { query: 'Preis Tisch', limit: 1 });
    expect(found.json.results[0].text).toContain('- Artikel: Tisch; Preis: 119 Euro');
  });

  test('takes the place of a text, as a form and as base64', async () => {
    const documentId = await api.upload('The old price list.', { title: 'Prices', category: 'sales' });
    await api.ready(documentId);
    const bytes = Buffer.from('Name,Price\nSofa,700 euros\n');
    const form = await uploadFile(bytes, 'prices.csv', { documentId });
    expect(form.status, JSON.stringify(form.json)).toBe(202);
    expect(form.json.document).toMatchObject({
      version: 2,
      title: 'Prices',
      filename: 'prices.csv',
      source: 'api',
      metadata: { title: 'Prices', category: 'sales' },
    });
    expect(await api.ready(documentId)).toMatchObject({ version: 2, mimeType: 'text/csv' });
    const base64 = await api.call('PUT', `/documents/${documentId}`, {
      filename: 'prices.csv',
      encoding: 'base64',
      content: Buffer.from('Name,Price\nSofa,800 euros\n').toString('base64'),
      metadata: { category: 'new' },
    });
    expect(base64.json.document, base64.text).toMatchObject({ version: 3, metadata: { category: 'new' } });
    await api.ready(documentId);
    const { json } = await api.call('GET', `/documents/${documentId}/chunks`);
    expect(json.chunks.map(({ text }: { text: string }) => text)).toEqual(['- Name: Sofa; Price: 800 euros']);
    const bad = await api.call('PUT', `/documents/${documentId}`, { filename: 'a.csv' });
    expect(bad.json).toMatchObject({ code: 'INVALID_REQUEST' });
  });

  test('is refused where the request is no good, and taken once under one Idempotency-Key', async () => {
    const bad = (body: object) => api.call('POST', '/upload-doc/file', body);
    expect((await bad({})).json.code).toBe('INVALID_REQUEST');
    expect((await bad({ filename: 'a', content: '%%%', encoding: 'base64' })).json.message).toContain(
      'base64',
    );
    expect((await uploadFile(Buffer.alloc(20_000_001), 'big.bin')).json.code).toBe('CONTENT_TOO_LARGE');
    const headers = { 'idempotency-key': 'once' };
    const first = await uploadFile(Buffer.from('Taken once.'), 'a.txt', { headers });
    const again = await uploadFile(Buffer.from('Taken once.'), 'a.txt', { headers });
    expect(again.json.document.id).toBe(first.json.document.id);
    expect((await uploadFile(Buffer.from('Other.'), 'a.txt', { headers })).status).toBe(422);
  });
});

test('a batch has one progress', async () => {
  const documents = Array.from({ length: 40 }, (_, n) => ({
    content: n === 0 ? '...' : `Part ${n} of the catalogue costs ${n + 1} euros.`,
    metadata: { title: `Part ${n}` },
  }));
  const accepted = await api.call('POST', '/documents/bulk', { documents });
  const { id } = accepted.json.batch;
  // Ends by itself with the batch.
  const events = await api.call('GET', `/documents/batches/${id}/events`);
  const states = events.text.split('\n\n').flatMap((event) => {
    const [, data] = /^event: batch\ndata: (.*)$/.exec(event) ?? [];
    return data ? [JSON.parse(data).batch] : [];
  });
  const batch = states.at(-1);
  expect(batch).toMatchObject({ total: 40, done: 40 });
  expect(states.map(({ done }) => done)).toEqual(states.map(({ done }) => done).sort((a, b) => a - b));
  expect((await api.call('GET', `/documents/batches/${id}`)).json.batch).toEqual(batch);
  expect(batch.counts).toEqual({ queued: 0, processing: 0, ready: 39, failed: 1, cancelled: 0 });
  const failed = await api.call('GET', `/documents?batchId=${id}&status=failed`);
  expect(failed.json.documents).toHaveLength(1);
  expect((await api.call('GET', '/documents/batches/nope')).json.code).toBe('BATCH_NOT_FOUND');
});

test('hostile files: each ends with a reason, none takes the worker down, and others are read meanwhile', {
  timeout: 300_000,
}, async () => {
  const line = `${'We ship to Norway. '.repeat(500_000)}`;
  const files: [string, Uint8Array, RegExp][] = [
    ['bomb.docx', zipBomb(), /failed DOCUMENT_TOO_COMPLEX/],
    ['bomb.pdf', pdfBomb(), /failed DOCUMENT_TOO_COMPLEX/],
    ['bomb-again.pdf', pdfBomb(), /failed DOCUMENT_TOO_COMPLEX/],
    ['deep.html', Buffer.from(`<html>${'<div>'.repeat(200_000)}x`), /failed DOCUMENT_TOO_COMPLEX/],
    ['deep.json', Buffer.from(`${'['.repeat(100_000)}1${']'.repeat(100_000)}`), /failed DOCUMENT_|ready/],
    ['line.json', Buffer.from(JSON.stringify({ line: line.slice(0, 100_000) })), /ready/],
    ['picture.txt', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), /failed DOCUMENT_UNSUPPORTED/],
    ['notes.pdf', Buffer.from('This is no PDF, and is read all the same.'), /ready/],
    ['noise.txt', Buffer.from(Array.from({ length: 9_999 }, (_, n) => (n * 7919) % 256)), /failed DOCUMENT_/],
    ['latin.txt', Buffer.from('Gr\xf6\xdfe: 12', 'latin1'), /ready/],
    ['external.docx', docx(paragraph('A &e; B'), { doctype: externalEntity }), /failed DOCUMENT_|ready/],
    ['external.xlsx', xlsx([['A &e; B']], { doctype: externalEntity }), /failed DOCUMENT_|ready/],
    ['laughs.docx', docx(paragraph('A &i; B'), { doctype: entityBomb }), /failed DOCUMENT_|ready/],
    ['macros.docm', docx(paragraph('Hello there'), { macros: true }), /ready/],
    ['locked.pdf', pdf([[{ text: 'x', x: 1, y: 1 }]], { encrypted: true }), /failed DOCUMENT_ENCRYPTED/],
    ['scan.pdf', pdf([[]]), /failed DOCUMENT_WITHOUT_TEXT/],
    ['half.pdf', pdf([[{ text: 'x', x: 1, y: 1 }]]).subarray(0, 60), /failed DOCUMENT_CORRUPT/],
    ['archive.zip', zip({ 'a.bin': new Uint8Array(9) }), /failed DOCUMENT_UNSUPPORTED/],
    ['empty.txt', Buffer.alloc(0), /failed DOCUMENT_EMPTY/],
  ];
  const before = await peakMegabytes(worker.pid);
  const uploaded = await Promise.all(
    files.map(async ([name, bytes]) => (await uploadFile(bytes, name)).json.document.id as string),
  );
  await api.ready(await api.upload('A plain text beside all of them.'), 120_000);
  for (const [n, [name, , expected]] of files.entries()) {
    const document = await ended(uploaded[n]!);
    expect(`${document.status} ${document.error?.code}`, name).toMatch(expected);
    if (document.status === 'failed') expect(document.error.message.length, name).toBeGreaterThan(40);
    const { json } = await api.call('GET', `/documents/${document.id}/chunks`);
    expect(JSON.stringify(json), name).not.toContain('root:');
  }
  // Two are read at a time, each within limits of less than a gigabyte.
  expect((await peakMegabytes(worker.pid)) - before).toBeLessThan(2_000);
  let exited = false;
  void worker.exited.then(() => {
    exited = true;
  });
  await api.ready(await api.upload('And one after them.'));
  expect(exited).toBe(false);
});

test('a thousand documents are accepted in one call, all or none', { timeout: 150_000 }, async () => {
  const documents = Array.from({ length: 1_001 }, (_, n) => ({ content: `Line ${n} of the price list.` }));
  const refused = await api.call('POST', '/documents/bulk', { documents });
  expect(refused.json.code).toBe('INVALID_REQUEST');
  const accepted = await api.call('POST', '/documents/bulk', { documents: documents.slice(1) });
  expect(accepted.status, accepted.text.slice(0, 300)).toBe(202);
  expect(accepted.json.batch.total).toBe(1_000);
  await eventually(async () => {
    const { batch } = (await api.call('GET', `/documents/batches/${accepted.json.batch.id}`)).json;
    const { queued, processing, ready } = batch.counts;
    expect(queued + processing + ready).toBe(1_000);
    return ready >= 50 ? true : undefined;
  }, 120_000);
});

/** The most resident memory that a process ever had (Linux). */
async function peakMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)![1]) / 1024);
}
