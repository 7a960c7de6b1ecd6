// Makes the demo project, with its keys, and ingests its help centre through the same calls that an integrator uses.
// Can run again at any time: an article that has not changed is left alone.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { encryptionKeys, readConfig, required } from '../config.ts';
import type { Actor } from '../domain/accounts.ts';
import { createEncryption } from '../encryption.ts';
import { connectPostgres } from '../stores/postgres/client.ts';
import { newId } from '../stores/postgres/ids.ts';
import { createStores } from '../stores/postgres/index.ts';
import { newApiKey } from '../stores/postgres/keys.ts';
import { withLock } from '../stores/postgres/lock.ts';
import { demoSettings } from './demo/settings.ts';

interface DemoKeys {
  projectId: string;
  apiKey: string;
  widgetKey: string;
}
interface Article {
  file: string;
  title: string;
  category: string;
}
interface UploadedDocument {
  id: string;
  source: string;
  status: string;
  metadata: { hash?: string };
  error: { message: string } | null;
}

const operator: Actor = { type: 'operator', id: null, ip: null };
const folder = new URL('./demo/help-centre/', import.meta.url);
const config = readConfig();
const apiUrl = `http://127.0.0.1:${config.PORT}`;

const sql = connectPostgres(required(config, 'DATABASE_URL'), {
  poolSize: 2,
  applicationName: 'frontdesk-seed',
});
// A seed outlives a killed launcher: the next launcher's would upload everything a second time beside it.
await withLock(sql, 'seed', async () => {
  const keys = await demoKeys();
  await createDemoProject(keys);
  await ingestHelpCentre(keys.apiKey);
});
await sql.end();

/** The keys are made once and kept in a file, because the database keeps only their hashes. */
async function demoKeys(): Promise<DemoKeys> {
  try {
    return JSON.parse(await readFile(config.demoKeysFile, 'utf8')) as DemoKeys;
  } catch {
    const made = { projectId: newId(), apiKey: newApiKey('test'), widgetKey: newApiKey('test') };
    await writeFile(config.demoKeysFile, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 });
    return made;
  }
}

async function createDemoProject({ projectId, apiKey, widgetKey }: DemoKeys): Promise<void> {
  const stores = createStores(sql, createEncryption(encryptionKeys(config)));
  await stores.projects.create({ id: projectId, name: 'Demo', settings: demoSettings });
  const keys = [
    ['Demo server key', 'ordinary', apiKey],
    ['Demo page key', 'publishable', widgetKey],
    ['DEFAULT_API_KEY', 'ordinary', config.DEFAULT_API_KEY],
    ['WIDGET_API_KEY', 'publishable', config.WIDGET_API_KEY],
    ['ADMIN_API_KEY', 'secret', config.ADMIN_API_KEY],
  ] as const;
  for (const [name, kind, key] of keys) {
    if (key) await stores.keys.create(projectId, { key, name, kind, environment: 'test' });
  }
  // Existing pages that know no key can be tried on this machine at once.
  for (const host of ['localhost', '127.0.0.1']) await stores.hosts.set(projectId, host, {}, operator);
}

async function ingestHelpCentre(apiKey: string): Promise<void> {
  const articles = JSON.parse(await readFile(new URL('index.json', folder), 'utf8')) as Article[];
  const existing = await allDocuments(apiKey);
  const waiting = new Set<string>();
  for (const { file, title, category } of articles) {
    const content = await readFile(new URL(file, folder), 'utf8');
    const hash = createHash('sha256').update(content).digest('hex');
    const source = `help-centre/${file}`;
    const before = existing.filter((document) => document.source === source);
    const same = before.find(({ metadata, status }) => metadata.hash === hash && status !== 'failed');
    if (same) {
      if (same.status !== 'ready') waiting.add(same.id);
    } else {
      const metadata = { title, category, source, hash };
      const { document } = await call<{ document: UploadedDocument }>('POST', '/upload-doc', apiKey, {
        content,
        metadata,
      });
      waiting.add(document.id);
    }
    for (const old of before) if (old !== same) await call('DELETE', `/documents/${old.id}`, apiKey);
  }
  const total = waiting.size;
  while (waiting.size > 0) {
    await setTimeout(250);
    const documents = await Promise.all([...waiting].map((id) => documentOf(id, apiKey)));
    const ended = documents.filter(({ status }) => status === 'ready' || status === 'failed');
    for (const document of ended) {
      waiting.delete(document.id);
      if (document.status === 'failed') throw new Error(`${document.source}: ${document.error?.message}`);
    }
    if (ended.length > 0) console.log(`Help centre: ${total - waiting.size} of ${total} articles ready`);
  }
}

/** Also those that others have uploaded into the demo project: an article may be on any page. */
async function allDocuments(apiKey: string): Promise<UploadedDocument[]> {
  const all: UploadedDocument[] = [];
  for (let path: string | undefined = '/documents?limit=200'; path; ) {
    const page: { documents: UploadedDocument[]; nextBefore: string | null } = await call(
      'GET',
      path,
      apiKey,
    );
    all.push(...page.documents);
    path = page.nextBefore ? `/documents?limit=200&before=${page.nextBefore}` : undefined;
  }
  return all;
}

async function documentOf(id: string, apiKey: string): Promise<UploadedDocument> {
  return (await call<{ document: UploadedDocument }>('GET', `/documents/${id}`, apiKey)).document;
}

async function call<T>(method: string, path: string, apiKey: string, body?: unknown): Promise<T> {
  const response = await fetch(apiUrl + path, {
    method,
    headers: { 'x-api-key': apiKey, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (!response.ok)
    throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}
