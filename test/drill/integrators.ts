// Integrators: each uploads documents of all sizes, gives some of them new content and deletes others, at once or after
// a while. One uploads many in one call.
import { setTimeout as sleep } from 'node:timers/promises';
import { accepted, type Caller, persist, replyOf, send, TryAgain } from './client.ts';
import type { UploadedDocument } from './ledger.ts';
import type { Random } from '../support/random.ts';

/** Uploads until the signal is aborted, then finishes what it has begun. */
export async function runIntegrator(caller: Caller, name: string, stop: AbortSignal): Promise<void> {
  const { random, ledger } = caller;
  const changes: Promise<void>[] = [];
  for (let n = 0; !stop.aborted; n += 1) {
    const document = documentNamed(`Price list ${name}-${n}`, contentOf(random, `${name}-${n}`));
    ledger.documents.push(document);
    const documentId = await upload(caller, document);
    if (documentId && random.chance(0.3)) changes.push(remove(caller, document, documentId, stop));
    else if (documentId && random.chance(0.4)) {
      changes.push(replace(caller, document, documentId, contentOf(random, `${name}-${n} again`), stop));
    }
    await sleep(random.between(500, 5_000), undefined, { signal: stop }).catch(() => {});
  }
  await Promise.all(changes);
}

/** Uploads `size` documents in one call, again and again as soon as the last ones are done, at most `batches` times. */
export async function runBulkIntegrator(
  caller: Caller,
  { size, batches }: { size: number; batches: number },
  stop: AbortSignal,
): Promise<void> {
  const { random, ledger } = caller;
  for (let batch = 0; batch < batches && !stop.aborted; batch += 1) {
    const documents = Array.from({ length: size }, (_, n) => {
      const name = `b${batch}-${n}`;
      return documentNamed(`Bulk list ${name}`, sectionsOf(random, name, random.between(1, 3)));
    });
    ledger.documents.push(...documents);
    try {
      await uploadAll(caller, documents, `bulk ${batch}`, stop);
    } catch (error) {
      documents[0]!.complaint = (error as Error).message;
      return;
    }
  }
}

/** Returns when all are done, or when it is told to stop. */
async function uploadAll(
  caller: Caller,
  documents: readonly UploadedDocument[],
  idempotencyKey: string,
  stop: AbortSignal,
): Promise<void> {
  const body = { documents: documents.map(({ title, content }) => ({ content, metadata: { title } })) };
  const batchId = await persist(async () => {
    const { json } = await accepted(caller, {
      method: 'POST',
      path: '/documents/bulk',
      body,
      idempotencyKey,
    });
    return json.batch.id as string;
  });
  const byTitle = new Map(documents.map((document) => [document.title, document]));
  let path = `/documents?limit=200&batchId=${batchId}`;
  for (let next: string | null = ''; next !== null; ) {
    const before: string = next === '' ? '' : `&before=${next}`;
    const { json } = await persist(() => accepted(caller, { method: 'GET', path: path + before }));
    for (const { id, title } of json.documents) byTitle.get(title)!.documentIds.add(id);
    next = json.nextBefore;
  }
  path = `/documents/batches/${batchId}`;
  while (!stop.aborted) {
    const { json } = await persist(() => accepted(caller, { method: 'GET', path }));
    if (json.batch.done === json.batch.total) return;
    await sleep(1_000, undefined, { signal: stop }).catch(() => {});
  }
}

const documentNamed = (title: string, content: string): UploadedDocument => ({
  title,
  content,
  versions: 1,
  uploadedAt: Date.now(),
  documentIds: new Set(),
  deletion: 'none',
  complaint: undefined,
});

async function upload(caller: Caller, document: UploadedDocument): Promise<string | undefined> {
  const { title, content } = document;
  const repeated = caller.random.chance(0.75);
  const attempt = async () => {
    const response = await send(caller, {
      method: 'POST',
      path: '/upload-doc',
      body: { content, metadata: { title } },
      idempotencyKey: repeated ? title : undefined,
    });
    const { status, json } = await replyOf(caller.ledger, response);
    if (status !== 202) throw new Error(`the upload was refused: ${status} ${json.code}: ${json.message}`);
    document.documentIds.add(json.document.id);
    return json.document.id as string;
  };
  try {
    const id = await (repeated ? persist(attempt) : attempt());
    if (repeated && caller.random.chance(0.15)) await persist(attempt);
    return id;
  } catch (error) {
    if (repeated || !(error instanceof TryAgain)) document.complaint = (error as Error).message;
    return undefined;
  }
}

/** Gives it new content, while the first is being ingested or long after. */
async function replace(
  caller: Caller,
  document: UploadedDocument,
  id: string,
  content: string,
  stop: AbortSignal,
): Promise<void> {
  const pause = caller.random.pick([0, 300, 1_500, 20_000]);
  await sleep(pause, undefined, { signal: stop }).catch(() => {});
  const body = { content, metadata: { title: document.title } };
  try {
    await persist(() => accepted(caller, { method: 'PUT', path: `/documents/${id}`, body }));
    document.content = content;
    document.versions += 1;
  } catch (error) {
    document.complaint = (error as Error).message;
  }
}

async function remove(
  caller: Caller,
  document: UploadedDocument,
  id: string,
  stop: AbortSignal,
): Promise<void> {
  const { random } = caller;
  // At once, while it is being ingested, or long after.
  const pause = random.pick([0, 300, 1_500, 20_000]);
  await sleep(pause, undefined, { signal: stop }).catch(() => {});
  document.deletion = 'wanted';
  let calls = 0;
  try {
    await persist(async () => {
      calls += 1;
      const response = await send(caller, { method: 'DELETE', path: `/documents/${id}` });
      const { status, json } = await replyOf(caller.ledger, response);
      // An earlier call may have got through without its answer.
      if (status !== 202 && !(status === 404 && calls > 1)) {
        throw new Error(`the deletion was refused: ${status} ${json.code}: ${json.message}`);
      }
    });
    document.deletion = 'accepted';
  } catch (error) {
    document.complaint = (error as Error).message;
  }
}

/** From one section to hundreds: some are being ingested whenever something is killed. */
function contentOf(random: Random, name: string): string {
  const sections = random.chance(0.1) ? random.between(100, 300) : random.between(1, 25);
  return sectionsOf(random, name, sections);
}

function sectionsOf(random: Random, name: string, sections: number): string {
  const parts = Array.from({ length: sections }, (_, n) => {
    const facts = `It costs ${random.between(1, 999)} euros and weighs ${random.between(1, 999)} grams.`;
    return `## Part ${name}-${n}\n\nThe part ${name}-${n} is in stock. ${facts}`;
  });
  return `# Parts of ${name}\n\n${parts.join('\n\n')}\n`;
}
