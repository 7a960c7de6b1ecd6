// Takes files, folders and addresses in through the API, as any integrator could.
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface IngestOptions {
  apiUrl: string;
  apiKey: string;
  /** Files, folders (with all below them) and http(s) addresses. */
  sources: readonly string[];
  onProgress: (progress: { done: number; total: number }) => void;
}

export interface Ingested {
  ready: number;
  failed: { source: string; reason: string }[];
}

interface DocumentState {
  id: string;
  status: string;
  error: { message: string } | null;
}

const together = 4;
const lookEvery = 500;
const tries = 8;
const longestPause = 30_000;

/**
 * Uploads everything and waits until all of it has ended. Run again after an interruption, it goes on: what was
 * uploaded is not uploaded a second time, and what had failed is tried once more.
 */
export async function ingest(options: IngestOptions): Promise<Ingested> {
  const call = createCaller(options);
  const sources = (await Promise.all(options.sources.map(expand))).flat();
  const progress = { done: 0, total: sources.length };
  const show = () => options.onProgress({ ...progress });
  const ingested: Ingested = { ready: 0, failed: [] };
  const waiting = new Map<string, string[]>();
  const fail = (source: string, reason: string) => {
    ingested.failed.push({ source, reason });
    progress.done += 1;
    show();
  };
  show();

  await inParallel(sources, async (source) => {
    try {
      let document = await upload(call, source);
      if (document.status === 'failed' || document.status === 'cancelled')
        document = await call<DocumentState>('POST', `/documents/${document.id}/retry`);
      waiting.set(document.id, [...(waiting.get(document.id) ?? []), source]);
    } catch (error) {
      fail(source, (error as Error).message);
    }
  });

  while (waiting.size > 0) {
    await inParallel([...waiting], async ([id, names]) => {
      const { status, error } = await call<DocumentState>('GET', `/documents/${id}`);
      if (status === 'queued' || status === 'processing') return;
      waiting.delete(id);
      for (const source of names) {
        if (status === 'ready') {
          ingested.ready += 1;
          progress.done += 1;
        } else fail(source, error?.message ?? status);
      }
      show();
    });
    if (waiting.size > 0) await sleep(lookEvery);
  }
  return ingested;
}

type Call = <T>(
  method: string,
  path: string,
  body?: FormData,
  headers?: Record<string, string>,
) => Promise<T>;

/** Waits and repeats where the server is away or asks for a pause. Every call here can be repeated. */
function createCaller({ apiUrl, apiKey }: Pick<IngestOptions, 'apiUrl' | 'apiKey'>): Call {
  return async <T>(method: string, path: string, body?: FormData, headers: Record<string, string> = {}) => {
    for (let attempt = 1; ; attempt += 1) {
      const response = await fetch(`${apiUrl.replace(/\/$/, '')}${path}`, {
        method,
        headers: { 'x-api-key': apiKey, ...headers },
        ...(body ? { body } : {}),
      }).catch((error: Error) => error);
      if (!(response instanceof Error)) {
        const reply = (await response.json().catch(() => ({}))) as { document: T; message?: string };
        if (response.ok) return reply.document;
        const mayPass = response.status === 429 || response.status >= 500;
        if (!mayPass || attempt === tries) throw new Error(reply.message ?? `answered ${response.status}`);
        const asked = Number(response.headers.get('retry-after')) * 1_000;
        await sleep(Math.min(longestPause, Math.max(asked || 0, 250 * 2 ** attempt)));
      } else {
        if (attempt === tries) throw new Error(`${apiUrl} cannot be reached (${response.message})`);
        await sleep(Math.min(longestPause, 250 * 2 ** attempt));
      }
    }
  };
}

async function upload(call: Call, source: string): Promise<DocumentState> {
  const file = isAddress(source)
    ? await fetched(source)
    : { bytes: await readFile(source), name: basename(source), type: '' };
  const hash = createHash('sha256').update(source).update('\0').update(file.bytes).digest('hex');
  const form = new FormData();
  form.append('metadata', JSON.stringify({ source: source.slice(0, 2_000) }));
  form.append('file', new Blob([new Uint8Array(file.bytes)], { type: file.type }), file.name);
  return await call('POST', '/upload-doc/file?duplicates=skip', form, { 'idempotency-key': `cli-${hash}` });
}

async function fetched(address: string): Promise<{ bytes: Uint8Array; name: string; type: string }> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`answered ${response.status}`);
  const { pathname, hostname } = new URL(response.url);
  return {
    bytes: new Uint8Array(await response.arrayBuffer()),
    name: basename(pathname) || hostname,
    type: response.headers.get('content-type') ?? '',
  };
}

const isAddress = (source: string) => /^https?:\/\//i.test(source);

/** A folder as the files below it, without hidden ones, in order. */
async function expand(source: string): Promise<string[]> {
  if (isAddress(source) || !(await stat(source)).isDirectory()) return [source];
  const entries = await readdir(source, { withFileTypes: true });
  const visible = entries
    .filter(({ name }) => !name.startsWith('.'))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const files = await Promise.all(
    visible.map(async (entry) => {
      const path = join(source, entry.name);
      if (entry.isDirectory()) return await expand(path);
      return entry.isFile() ? [path] : [];
    }),
  );
  return files.flat();
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const runner = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: together }, runner));
}
