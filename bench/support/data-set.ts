import { readFile } from 'node:fs/promises';
import type { createApiClient } from '../../test/support/api-client.ts';
import { mean, ndcgAt, recallAt, reciprocalRank } from './ranking.ts';

export interface DataSet {
  docs: { id: string; title?: string; text: string }[];
  questions: { question: string; relevant: string[] }[];
}

interface Result {
  documentId: string;
  scores: Record<'bm25' | 'dense' | 'fused' | 'rerank', number | null>;
}

type Measures = Record<'recall@3' | 'MRR' | 'nDCG@10', number>;

type ApiClient = ReturnType<typeof createApiClient>;

/** As many results as the API gives: more than the union of both legs' candidates. */
const limit = 200;
const legs = { BM25: 'bm25', dense: 'dense', hybrid: 'fused' } as const;

export async function readDataSet(file: string | undefined): Promise<DataSet> {
  if (!file)
    throw new Error('Name a FILE of {docs: [{id, title, text}], questions: [{question, relevant: [id]}]}.');
  return JSON.parse(await readFile(file, 'utf8')) as DataSet;
}

/** Uploads the documents through the API and waits for them. Returns the data set's id of each document's. */
export async function ingestDataSet(client: ApiClient, { docs }: DataSet): Promise<Map<string, string>> {
  const idOf = new Map<string, string>();
  await inParallel(docs, 8, async ({ id, title, text }) => {
    const documentId = await client.upload(text, { source: id, ...(title ? { title } : {}) });
    idOf.set(documentId, id);
  });
  for (const documentId of idOf.keys()) await client.ready(documentId, 600_000);
  return idOf;
}

/** recall@3, MRR and nDCG@10 of each leg and of both fused, asked through the API. */
export async function qualityOf(
  client: ApiClient,
  { questions }: DataSet,
  idOf: ReadonlyMap<string, string>,
): Promise<Record<keyof typeof legs, Measures>> {
  const scores = { BM25: [], dense: [], hybrid: [] } as Record<keyof typeof legs, number[][]>;
  await inParallel(questions, 4, async ({ question, relevant }) => {
    const { json } = await client.call('POST', '/retrieval/search', { query: question, limit });
    const wanted = new Set(relevant);
    for (const leg of Object.keys(scores) as (keyof typeof legs)[]) {
      const ranking = documentsBy(json.results, legs[leg]).map((documentId) => idOf.get(documentId)!);
      scores[leg].push(measuresOf(ranking, wanted));
    }
  });
  return { BM25: summary(scores.BM25), dense: summary(scores.dense), hybrid: summary(scores.hybrid) };
}

/** nDCG@10 and the others of the results as they come, reranked; and how many of the searches went on without it. */
export async function rerankedQualityOf(
  client: ApiClient,
  { questions }: DataSet,
  idOf: ReadonlyMap<string, string>,
): Promise<Measures & { 'without, of all': string }> {
  let without = 0;
  const rows: number[][] = [];
  // One at a time: what is measured is the order, and a loaded machine would be too slow for it.
  await inParallel(questions, 1, async ({ question, relevant }) => {
    const { json } = await client.call('POST', '/retrieval/search', { query: question, limit });
    const results = json.results as Result[];
    if (results.length > 0 && results[0]!.scores.rerank === null) without += 1;
    const ranking = [...new Set(results.map(({ documentId }) => idOf.get(documentId)!))];
    rows.push(measuresOf(ranking, new Set(relevant)));
  });
  return { ...summary(rows), 'without, of all': `${without}/${questions.length}` };
}

const measuresOf = (ranking: readonly string[], wanted: ReadonlySet<string>): number[] => [
  recallAt(3, ranking, wanted),
  reciprocalRank(ranking, wanted),
  ndcgAt(10, ranking, wanted),
];

function summary(rows: readonly number[][]): Measures {
  const [recall, mrr, ndcg] = [0, 1, 2].map((column) =>
    Number(mean(rows.map((row) => row[column]!)).toFixed(3)),
  );
  return { 'recall@3': recall!, MRR: mrr!, 'nDCG@10': ndcg! };
}

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
