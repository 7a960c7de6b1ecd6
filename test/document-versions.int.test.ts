import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';

let environment: TestEnvironment;
let project: TestProject;
let api: ReturnType<typeof createApiClient>;
let worker: Awaited<ReturnType<TestEnvironment['startWorker']>>;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  const [server] = await Promise.all([environment.startApi(), startWorker()]);
  api = createApiClient(server.url, project.key);
});
afterAll(() => environment?.close());

async function startWorker() {
  worker = await environment.startWorker();
}

const put = (documentId: string, content: string, extra: object = {}) =>
  api.call('PUT', `/documents/${documentId}`, { content, ...extra });
const get = async (documentId: string) => (await api.call('GET', `/documents/${documentId}`)).json.document;
const finds = async (query: string, extra: object = {}): Promise<string[]> =>
  (await api.call('POST', '/retrieval/search', { query, limit: 5, ...extra })).json.results.map(
    (result: { text: string }) => result.text,
  );

/** Chunks of a document, in PostgreSQL and in Elasticsearch. */
async function chunkCounts(documentId: string) {
  const [row] = await environment.sql<{ stored: number }[]>`
    select count(*)::int as stored from chunks where document_id = ${documentId}`;
  const index = `${environment.indexPrefix}-chunks-*`;
  await environment.elasticsearch.indices.refresh({ index });
  const { count } = await environment.elasticsearch.count({
    index,
    query: { term: { document_id: documentId } },
  });
  return { stored: row!.stored, indexed: count };
}

describe('new content of a document', () => {
  test('answers once it is ready; until then the old one does, and afterwards nothing of it is left', async () => {
    const documentId = await api.upload('# Lamps\n\nThe Brandel lamp has a warranty of 37 months.');
    await api.ready(documentId);
    worker.kill('SIGTERM');
    await worker.exited;

    const replaced = await put(documentId, '# Lamps\n\nThe Brandel lamp has a warranty of 41 months.');
    expect(replaced.status, replaced.text).toBe(202);
    expect(replaced.json.document).toMatchObject({ status: 'queued', version: 2, currentVersion: 1 });
    expect(await finds('warranty of the Brandel lamp')).toEqual([expect.stringContaining('37 months')]);

    await startWorker();
    expect(await api.ready(documentId)).toMatchObject({ version: 2, currentVersion: 2, chunks: 1 });
    expect(await finds('warranty of the Brandel lamp')).toEqual([expect.stringContaining('41 months')]);
    await eventually(async () => {
      const [left] = await environment.sql<{ blobs: number; embeddings: number }[]>`
        select (select count(*) from blobs)::int as blobs, (select count(*) from embeddings)::int as embeddings`;
      const { stored, indexed } = await chunkCounts(documentId);
      return stored === 1 && indexed === 1 && left!.blobs === 1 && left!.embeddings === 1 ? true : undefined;
    });
    await api.call('DELETE', `/documents/${documentId}`);
  });

  test('that is the same changes nothing', async () => {
    const documentId = await api.upload('The showroom is in the old mill.', { title: 'Showroom' });
    await api.ready(documentId);
    const same = await put(documentId, 'The showroom is in the old mill.', {
      metadata: { title: 'Showroom', category: 'places' },
    });
    expect(same.json.document).toMatchObject({
      version: 1,
      status: 'ready',
      metadata: { category: 'places' },
    });
    const { text } = await put(documentId, 'The showroom is in the new mill.');
    expect(JSON.parse(text).document).toMatchObject({ version: 2, title: 'Showroom' });
    await api.ready(documentId);
    expect((await put('00000000-0000-4000-8000-000000000000', 'x')).status).toBe(404);
    expect((await put(documentId, ' ')).json.code).toBe('CONTENT_REQUIRED');
    await api.call('DELETE', `/documents/${documentId}`);
  });

  test('many times in a row ends with the last one, and with its chunks alone', async () => {
    const sections = (n: number) =>
      Array.from(
        { length: 30 },
        (_, part) => `## Part ${part}\n\nEdition ${n} of part ${part} is blue.`,
      ).join('\n\n');
    const documentId = await api.upload(sections(0));
    for (let n = 1; n <= 6; n += 1) expect((await put(documentId, sections(n))).status).toBe(202);
    await api.ready(documentId);
    await eventually(async () => {
      const [row] = await environment.sql<{ open: number }[]>`
        select count(*)::int as open from document_versions
        where document_id = ${documentId} and status in ('queued', 'processing')`;
      const { stored, indexed } = await chunkCounts(documentId);
      return row!.open === 0 && stored === 30 && indexed === 30 ? true : undefined;
    }, 60_000);
    expect(await finds('edition of part 3')).toContainEqual(expect.stringContaining('Edition 6 of part 3'));
    expect(await get(documentId)).toMatchObject({ status: 'ready', version: 7, currentVersion: 7 });
    await api.call('DELETE', `/documents/${documentId}`);
  });

  test('that cannot be read fails visibly, and the old version goes on answering', async () => {
    const documentId = await api.upload('Parcels to Chile take nine days.');
    await api.ready(documentId);
    await put(documentId, '...');
    const failed = await eventually(async () => {
      const document = await get(documentId);
      return document.status === 'failed' ? document : undefined;
    });
    expect(failed).toMatchObject({ version: 2, currentVersion: 1, error: { code: 'DOCUMENT_EMPTY' } });
    expect(await finds('parcels to Chile')).toContainEqual(expect.stringContaining('nine days'));
    const again = await api.call('POST', `/documents/${documentId}/retry`);
    expect(again.json.document, again.text).toMatchObject({ status: 'queued', version: 2 });
    await eventually(async () => ((await get(documentId)).status === 'failed' ? true : undefined));
    await put(documentId, 'Parcels to Chile take eight days.');
    await api.ready(documentId);
    await eventually(async () => {
      const { stored, indexed } = await chunkCounts(documentId);
      return stored === 1 && indexed === 1 ? true : undefined;
    });
    await api.call('DELETE', `/documents/${documentId}`);
  });

  test('is made of the same content by reindex', async () => {
    const documentId = await api.upload('We close at six.');
    await api.ready(documentId);
    const reindexed = await api.call('POST', `/documents/${documentId}/reindex`);
    expect(reindexed.status, reindexed.text).toBe(202);
    expect(await api.ready(documentId)).toMatchObject({ version: 2, currentVersion: 2 });
    expect((await api.call('POST', '/documents/nope/reindex')).status).toBe(404);
    expect((await api.call('POST', `/documents/${documentId}/retry`)).json.code).toBe('DOCUMENT_STATE');
    await api.call('DELETE', `/documents/${documentId}`);
  });
});

describe('a document', () => {
  test('that is switched off answers nothing until it is switched on', async () => {
    const documentId = await api.upload('The cellar bar opens at nine.');
    await api.ready(documentId);
    const off = await api.call('PATCH', `/documents/${documentId}`, { enabled: false });
    expect(off.json.document, off.text).toMatchObject({ enabled: false, status: 'ready' });
    expect(await finds('cellar bar')).toEqual([]);
    await api.call('PATCH', `/documents/${documentId}`, { enabled: true });
    expect(await finds('cellar bar')).toHaveLength(1);
    expect((await api.call('PATCH', `/documents/${documentId}`, {})).status).toBe(400);
    expect((await api.call('PATCH', `/documents/${documentId}`, { colour: 'red' })).status).toBe(400);
    await api.call('DELETE', `/documents/${documentId}`);
  });

  test('with the content of another says so, and is not taken in again where that is wished', async () => {
    const first = await api.upload('Our ferry sails at noon.');
    const second = await api.upload('Our ferry sails at noon.');
    expect((await get(second)).duplicateOf).toBe(first);
    expect((await get(first)).duplicateOf).toBeNull();
    const third = await api.call('POST', '/upload-doc?duplicates=skip', {
      content: 'Our ferry sails at noon.',
    });
    expect(third.json.document.id, third.text).toBe(first);
    await api.ready(second);
    for (const id of [first, second]) await api.call('DELETE', `/documents/${id}`);
  });
});
