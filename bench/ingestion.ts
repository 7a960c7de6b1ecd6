// Ingestion: chunks a second beside the embedder alone, memory, and what visitors notice of it meanwhile.
// Usage: node bench/ingestion.ts [--chunks 20000]
import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { chunkText, embeddingText } from '../domain/chunking.ts';
import { createLocalEmbedder } from '../providers/local/embedder.ts';
import { createApiClient } from '../test/support/api-client.ts';
import type { TestEnvironment } from '../test/support/environment.ts';
import { cpuSeconds } from './support/cpu.ts';
import { onFreshServers } from './support/environment.ts';
import { ingestHelpCentre, question, questions } from './support/help-centre.ts';
import { percentile, round } from './support/statistics.ts';

const { values } = parseArgs({ options: { chunks: { type: 'string', default: '20000' } } });
const wanted = Number(values.chunks);
const chunksPerDocument = 250;

await onFreshServers('ingestion', async (environment, servers) => {
  const count = Math.ceil(wanted / chunksPerDocument);
  // In the first minute half of Elasticsearch's processor time is its virtual machine's compilers.
  const warmUp = handbooks(0, Math.ceil(count / 10));
  const documents = handbooks(warmUp.length, count);
  // With visitors, who take processor time of their own.
  const more = handbooks(warmUp.length + count, Math.ceil(count / 4));

  const [shop, bulk] = [await environment.createProject(), await environment.createProject()];
  const [api, worker] = await Promise.all([environment.startApi(), environment.startWorker()]);
  const visitor = createApiClient(api.url, shop.key);
  const integrator = createApiClient(api.url, bulk.key);
  await ingestHelpCentre(visitor);
  for (const question of questions) await firstToken(visitor, question);
  const idle = await firstTokens(visitor, 30);

  await ingest(integrator, warmUp);
  const pids = { api: api.pid, worker: worker.pid, ...servers };
  const memory: number[] = [];
  // Before and after: the machine may be faster in one minute than in the next.
  const aloneBefore = await embedderAlone(environment, warmUp);
  const before = await cpuSeconds(pids);
  const quiet = await ingest(integrator, documents, async () => {
    memory.push(await residentMegabytes(worker.pid));
  });
  const after = await cpuSeconds(pids);
  const alone = (aloneBefore + (await embedderAlone(environment, warmUp))) / 2;
  const meanwhile: number[] = [];
  await ingest(integrator, more, async () => {
    meanwhile.push(...(await firstTokens(visitor, 3)));
  });
  console.table({
    'embedder alone, chunks a second': { value: round(alone, 1) },
    'chunks a second': { value: round(quiet.rate, 1) },
    'share of the embedder alone': { value: round(quiet.rate / alone, 2) },
    ...Object.fromEntries(
      Object.keys(pids).map((name) => [
        `CPU of ${name}, ms a chunk`,
        { value: round(((after[name]! - before[name]!) * 1000) / quiet.chunks, 1) },
      ]),
    ),
    chunks: { value: quiet.chunks },
    'worker memory at the start, MB': { value: memory[0] },
    'worker memory at most, MB': { value: Math.max(...memory) },
    'first token idle, p50 ms': { value: round(percentile(idle, 0.5)) },
    'first token meanwhile, p50 ms': { value: round(percentile(meanwhile, 0.5)) },
    'meanwhile over idle': { value: round(percentile(meanwhile, 0.5) / percentile(idle, 0.5), 1) },
  });
});

/** Uploads all at once and waits until all are ready, with `watch` about every second meanwhile. */
async function ingest(
  client: ReturnType<typeof createApiClient>,
  documents: readonly string[],
  watch: () => Promise<void> = async () => {},
): Promise<{ chunks: number; rate: number }> {
  const began = performance.now();
  let ready = false;
  const watching = (async () => {
    while (!ready) {
      await watch();
      await setTimeout(1_000);
    }
  })();
  const ids = await Promise.all(documents.map((content) => client.upload(content)));
  let chunks = 0;
  // Twice a second: more often, these calls would take a share of the machine that counts as the ingestion's.
  for (const id of ids) chunks += (await client.ready(id, 3_600_000, 500)).chunks;
  const rate = chunks / ((performance.now() - began) / 1000);
  ready = true;
  await watching;
  return { chunks, rate };
}

function handbooks(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, n) => handbook(from + n));
}

/** A text of its own, of about `chunksPerDocument` chunks. */
function handbook(n: number): string {
  const sections = Array.from({ length: chunksPerDocument }, (_, section) => {
    const code = `${n}-${section}`;
    return (
      `## Part ${code}\n\nPart ${code} is made for lamps of series ${section}. It costs ${n + section} euros and is sent ` +
      `within ${(section % 9) + 1} working days. To replace it, switch the lamp off, let it cool for ten minutes, loosen ` +
      `the two screws below the shade and pull part ${code} out towards you.`
    );
  });
  return `# Spare parts, volume ${n}\n\n${sections.join('\n\n')}`;
}

async function embedderAlone(environment: TestEnvironment, documents: readonly string[]): Promise<number> {
  const { embeddingModelDir: modelDir, EMBEDDING_THREADS: threads } = environment.config;
  const embedder = createLocalEmbedder({ modelDir, threads });
  await embedder.ready();
  const texts = documents.flatMap((text) =>
    chunkText(text).map((chunk) => embeddingText('Spare parts', chunk)),
  );
  await embedder.embed(texts.slice(0, 100), { purpose: 'document' });
  const began = performance.now();
  await embedder.embed(texts, { purpose: 'document' });
  const seconds = (performance.now() - began) / 1000;
  await embedder.close();
  return texts.length / seconds;
}

async function firstTokens(client: ReturnType<typeof createApiClient>, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < count; n++) {
    times.push(await firstToken(client, question(n)));
  }
  return times;
}

async function firstToken(client: ReturnType<typeof createApiClient>, message: string): Promise<number> {
  const began = performance.now();
  let first = 0;
  await client.stream('/v1/chat/turns', { message }, (line) => {
    if (line.type === 'token' || line.type === 'done') first ||= performance.now() - began;
  });
  return first;
}

/** Resident set size (Linux). */
async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024);
}
