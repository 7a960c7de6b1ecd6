import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { rebuildIndex } from '../cli/rebuild-index.ts';
import { localEmbeddingSpace } from '../providers/local/embedder.ts';
import { type ChunkIndex, createChunkIndex } from '../stores/elasticsearch/chunk-index.ts';
import { createApiClient } from './support/api-client.ts';
import { frontdesk } from './support/cli.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';

let environment: TestEnvironment;
let project: TestProject;
let api: ReturnType<typeof createApiClient>;
let index: ChunkIndex;
let cwd: string;
let env: Record<string, string>;

const articles = ['shipping', 'returns', 'payment', 'repairs', 'gift-cards', 'opening-hours'];
const helpCentre = new URL('../infra/demo/help-centre/', import.meta.url);

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  index = createChunkIndex(environment.elasticsearch, {
    prefix: environment.indexPrefix,
    space: localEmbeddingSpace,
  });
  cwd = mkdtempSync(join(tmpdir(), 'rebuild-'));
  // A home without the model: whoever wanted to embed something would fail.
  env = { ...environment.env, FRONTDESK_HOME: cwd };
  const [server] = await Promise.all([environment.startApi(), environment.startWorker()]);
  api = createApiClient(server.url, project.key);
  for (const name of articles) {
    await api.ready(await api.upload(readFileSync(new URL(`${name}.md`, helpCentre), 'utf8')));
  }
});
afterAll(async () => {
  await environment?.close();
  rmSync(cwd, { recursive: true, force: true });
});

const rebuild = (...args: string[]) => frontdesk(['rebuild-index', ...args], { env, cwd });

interface Result {
  chunkId: string;
  text: string;
  scores: { fused: number };
}
async function search(query: string): Promise<Result[]> {
  const { json } = await api.call('POST', '/retrieval/search', { query, limit: 10 });
  return json.results;
}

async function chunkIds(): Promise<string[]> {
  return (await environment.sql<{ id: string }[]>`select id from chunks order by id`).map(({ id }) => id);
}

async function indexedIds(): Promise<string[]> {
  await index.refresh();
  return (await index.scan(undefined, 1_000)).map(({ id }) => id);
}

test('after --drop, searches give the same results as before, and nothing was embedded', async () => {
  const queries = ['what does a repair cost?', 'how long are gift cards valid?', 'parcel to Norway'];
  const before = await Promise.all(queries.map(search));
  const embeddings = await environment.sql`select count(*)::int as n from embeddings`;

  const { code, stdout, stderr } = await rebuild('--drop');
  expect(code, stderr).toBe(0);
  const total = (await chunkIds()).length;
  expect(total).toBeGreaterThan(articles.length);
  expect(stdout).toContain(`${total} chunks, ${total} written, 0 removed`);
  expect(stderr).toContain(`${total} of ${total} chunks (100 %)`);

  const after = await Promise.all(queries.map(search));
  for (const [n, results] of after.entries()) {
    // Vectors are rounded to eight bits against the others of their segment, so near ties may change places.
    expect(results.slice(0, 3).map(({ text }) => text)).toEqual(
      before[n]!.slice(0, 3).map(({ text }) => text),
    );
    const scores = new Map(before[n]!.map(({ chunkId, scores: { fused } }) => [chunkId, fused]));
    for (const {
      chunkId,
      scores: { fused },
    } of results.slice(0, 8))
      expect(scores.get(chunkId)).toBeCloseTo(fused, 1);
  }
  expect(await environment.sql`select count(*)::int as n from embeddings`).toEqual(embeddings);
});

test('in place it does what is left to do, and then nothing', async () => {
  const ids = await chunkIds();
  await index.remove(project.id, ids.slice(0, 7));
  expect((await rebuild()).stdout).toContain(`${ids.length} chunks, 7 written, 0 removed`);
  expect(await indexedIds()).toEqual(ids);
  expect((await rebuild()).stdout).toContain('0 written, 0 removed');
});

test('chunks of deleted documents and of failed versions go, those of a version being ingested stay', async () => {
  const [first, second, third] = await environment.sql<
    { id: string }[]
  >`select id from documents order by id`;
  const versions = (documentId: string, status: string) =>
    environment.sql.begin(async (tx) => {
      await tx`update documents set current_version = null where id = ${documentId}`;
      await tx`update document_versions set status = ${status}, updated_at = now() where document_id = ${documentId}`;
    });
  await environment.sql`update documents set deleted_at = now(), current_version = null where id = ${first!.id}`;
  await versions(second!.id, 'failed');
  await versions(third!.id, 'processing');
  const { stdout } = await rebuild();
  const left = await environment.sql<{ id: string }[]>`
    select id from chunks where document_id not in (${first!.id}, ${second!.id}) order by id`;
  expect(stdout).toMatch(/ 0 written, \d+ removed/);
  expect(await indexedIds()).toEqual(left.map(({ id }) => id));

  await environment.sql`update documents set deleted_at = null, current_version = 1`;
  await environment.sql`update document_versions set status = 'ready'`;
  await rebuild();
  expect(await indexedIds()).toEqual(await chunkIds());
});

test('a document that is deleted while it is written does not come back', async () => {
  const [document] = await environment.sql<{ id: string }[]>`select id from documents order by id limit 1`;
  const { diagnostics, chunks } = environment.stores;
  const gone = await chunks.ids(project.id, document!.id);
  await index.drop();
  let deleted = false;
  await rebuildIndex(
    {
      diagnostics,
      model: localEmbeddingSpace.model,
      index: {
        ...index,
        async put(projectId, batch, options) {
          // As the deletion does: hidden first, then removed from the index; all before these chunks are written.
          if (!deleted) {
            deleted = true;
            await environment.sql`
              update documents set deleted_at = now(), current_version = null where id = ${document!.id}`;
            await index.remove(projectId, gone);
          }
          await index.put(projectId, batch, options);
        },
      },
    },
    { drop: true, onProgress: () => {} },
  );
  const indexed = await indexedIds();
  expect(deleted).toBe(true);
  expect(gone.length).toBeGreaterThan(0);
  expect(indexed.filter((id) => gone.includes(id))).toEqual([]);
  expect(indexed).toHaveLength((await chunkIds()).length - gone.length);
  await environment.sql`update documents set deleted_at = null, current_version = 1 where id = ${document!.id}`;
  await rebuild();
});

test('chunks whose embedding is gone are counted, with the documents to upload again', async () => {
  const [chunk] = await environment.sql<{ id: string; documentId: string; embeddingHash: Buffer }[]>`
    select id, document_id, embedding_hash from chunks order by id limit 1`;
  await environment.sql`delete from embeddings where hash = ${chunk!.embeddingHash}`;
  await index.remove(project.id, [chunk!.id]);
  const { code, stderr } = await rebuild();
  expect(code).toBe(1);
  expect(stderr).toMatch(/embedding: 1 chunk of 1 document/);
  expect(stderr).toContain(chunk!.documentId);
});
