// Quality of retrieval through the HTTP API: recall@3, MRR and nDCG@10 of BM25, dense vectors and both fused.
// Usage: node bench/retrieval.ts FILE    FILE: {docs: [{id, title, text}], questions: [{question, relevant: [id]}]}
import { readFile } from 'node:fs/promises';
import { createApiClient } from '../test/support/api-client.ts';
import { onFreshServers } from './support/environment.ts';
import { mean, reciprocalRank, ndcgAt, recallAt } from './support/ranking.ts';

interface DataSet {
  docs: { id: string; title?: string; text: string }[];
  questions: { question: string; relevant: string[] }[];
}
interface Result {
  documentId: string;
  scores: Record<'bm25' | 'dense' | 'fused', number | null>;
}

const file = process.argv[2];
if (!file) throw new Error('Usage: node bench/retrieval.ts FILE');
const { docs, questions } = JSON.parse(await readFile(file, 'utf8')) as DataSet;
/** As many as the API gives: more than the union of both legs' candidates. */
const limit = 200;

await onFreshServers('retrieval', async (environment) => {
  const project = await environment.createProject();
  const [api] = await Promise.all([environment.startApi(), environment.startWorker()]);
  const client = createApiClient(api.url, project.key);

  const started = performance.now();
  const idOf = new Map<string, string>();
  await inParallel(docs, 8, async ({ id, title, text }) => {
    const documentId = await client.upload(text, { source: id, ...(title ? { title } : {}) });
    idOf.set(documentId, id);
    await client.ready(documentId, 600_000);
  });
  console.error(
    `${docs.length} documents ready after ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );

  const legs = { BM25: 'bm25', dense: 'dense', hybrid: 'fused' } as const;
  const scores = Object.fromEntries(Object.keys(legs).map((leg) => [leg, [] as number[][]]));
  await inParallel(questions, 4, async ({ question, relevant }) => {
    const { json } = await client.call('POST', '/retrieval/search', { query: question, limit });
    for (const [leg, field] of Object.entries(legs)) {
      const ranking = documentsBy(json.results, field).map((documentId) => idOf.get(documentId)!);
      const wanted = new Set(relevant);
      scores[leg]!.push([
        recallAt(3, ranking, wanted),
        reciprocalRank(ranking, wanted),
        ndcgAt(10, ranking, wanted),
      ]);
    }
  });
  console.log(`${questions.length} questions, ${docs.length} documents`);
  console.table(
    Object.fromEntries(
      Object.entries(scores).map(([leg, rows]) => {
        const [recall, mrr, ndcg] = [0, 1, 2].map((column) =>
          Number(mean(rows.map((row) => row[column]!)).toFixed(3)),
        );
        return [leg, { 'recall@3': recall, MRR: mrr, 'nDCG@10': ndcg }];
      }),
    ),
  );
});

/** The documents by their best chunk's score in a leg; those that the leg did not find are left out. */
function documentsBy(results: readonly Result[], field: keyof Result['scores']): string[] {
  const found = results.filter(({ scores }) => scores[field] !== null);
  const ordered = found.toSorted((a, b) => b.scores[field]! - a.scores[field]!);
  return [...new Set(ordered.map((result) => result.documentId))];
}

async function inParallel<T>(
  items: readonly T[],
  workers: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}
