// Integrators: each uploads documents of all sizes and deletes some of them, at once or after a while.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Caller, persist, replyOf, send, TryAgain } from './client.ts';
import type { UploadedDocument } from './ledger.ts';
import type { Random } from '../support/random.ts';

/** Uploads until the signal is aborted, then finishes what it has begun. */
export async function runIntegrator(caller: Caller, name: string, stop: AbortSignal): Promise<void> {
  const { random, ledger } = caller;
  const deletions: Promise<void>[] = [];
  for (let n = 0; !stop.aborted; n += 1) {
    const document: UploadedDocument = {
      title: `Price list ${name}-${n}`,
      content: contentOf(random, `${name}-${n}`),
      uploadedAt: Date.now(),
      documentIds: new Set(),
      deletion: 'none',
      complaint: undefined,
    };
    ledger.documents.push(document);
    const documentId = await upload(caller, document);
    if (documentId && random.chance(0.3)) deletions.push(remove(caller, document, documentId, stop));
    await sleep(random.between(500, 5_000), undefined, { signal: stop }).catch(() => {});
  }
  await Promise.all(deletions);
}

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
  const parts = Array.from({ length: sections }, (_, n) => {
    const facts = `It costs ${random.between(1, 999)} euros and weighs ${random.between(1, 999)} grams.`;
    return `## Part ${name}-${n}\n\nThe part ${name}-${n} is in stock. ${facts}`;
  });
  return `# Parts of ${name}\n\n${parts.join('\n\n')}\n`;
}
