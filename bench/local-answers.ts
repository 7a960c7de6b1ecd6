// How good the local answerer is: does it quote the sentence with the annotated answer, and does it decline what the
// documents do not answer? Retrieval is the product's hybrid, computed here in memory, so that no server is needed.
//   node bench/local-answers.ts SQUAD.json [OFF-TOPIC.json]
// SQUAD.json: {docs:[{id,title,text}], questions:[{question,relevant:[id],answers:[text]}], unanswerable:[{question,about:id}]};
// OFF-TOPIC.json: {questions:[text]}.
import { readFile } from 'node:fs/promises';
import { readConfig } from '../config.ts';
import { chunkText, embeddingText } from '../domain/chunking.ts';
import type { Passage } from '../providers/generation.ts';
import { createLocalEmbedder } from '../providers/local/embedder.ts';
import { choose } from '../providers/local/extractive.ts';
import { type RankedSentence, rankSentences, sentencesOf } from '../providers/local/sentences.ts';

interface Data {
  docs: { id: string; title: string; text: string }[];
  questions: { question: string; relevant: string[]; answers: string[] }[];
  unanswerable: { question: string; about: string }[];
}

const [dataFile, offTopicFile] = process.argv.slice(2);
if (!dataFile) throw new Error('Usage: node bench/local-answers.ts SQUAD.json [OFF-TOPIC.json]');
const data: Data = JSON.parse(await readFile(dataFile, 'utf8'));
const offTopic: string[] = offTopicFile ? JSON.parse(await readFile(offTopicFile, 'utf8')).questions : [];

const config = readConfig();
const embedder = createLocalEmbedder({
  modelDir: config.embeddingModelDir,
  threads: config.EMBEDDING_THREADS,
});
const passages: Passage[] = data.docs.flatMap(({ id, title, text }) =>
  chunkText(text).map((chunk) => ({ ...chunk, chunkId: `${id}/${chunk.ordinal}`, documentId: id, title })),
);
const passageVectors = await embedder.embed(
  passages.map((passage) => embeddingText(passage.title, passage)),
  { purpose: 'document' },
);
const sentences = new Map(passages.map((passage) => [passage, sentencesOf([passage])]));
const scored = [...new Set([...sentences.values()].flat().map((sentence) => sentence.scored))];
const sentenceVectors = await embedder.embed(scored, { purpose: 'document' });
const vectorOf = new Map(scored.map((text, at) => [text, sentenceVectors[at]!]));
const bm25 = createBm25(passages.map(({ text }) => text));

const answerable = await rankAll(data.questions.map(({ question }) => question));
const near = await rankAll(data.unanswerable.map(({ question }) => question));
const far = await rankAll(offTopic);
await embedder.close();

const reachable = data.questions.map(({ relevant, answers }, at) =>
  answerable[at]!.some((sentence) => holds(sentence, relevant, answers)),
);
const share = (count: number, of: number) => (of > 0 ? (count / of).toFixed(3) : '-');
const hits = (pick: (ranked: RankedSentence[]) => RankedSentence[]) =>
  data.questions.filter(({ relevant, answers }, at) =>
    pick(answerable[at]!).some((sentence) => holds(sentence, relevant, answers)),
  ).length;
const count = reachable.filter(Boolean).length;
console.log(
  `${data.questions.length} questions; the answer lies in the ${count} where retrieval found its paragraph.`,
);
console.table({
  'best sentence holds the answer': share(
    hits((ranked) => ranked.slice(0, 1)),
    count,
  ),
  '… by cosine alone': share(
    hits((ranked) => ranked.toSorted((a, b) => b.cosine - a.cosine).slice(0, 1)),
    count,
  ),
  'best two hold it': share(
    hits((ranked) => ranked.slice(0, 2)),
    count,
  ),
  'what is quoted holds it': share(hits(choose), count),
  'sentences an answer': share(
    answerable.reduce((total, ranked) => total + choose(ranked).length, 0),
    answerable.filter((ranked) => choose(ranked).length > 0).length,
  ),
  'AUC answerable / off-topic': auc(answerable, far).toFixed(4),
  'AUC answerable / near-domain unanswerable': auc(answerable, near).toFixed(4),
});
/** Ids are `article#paragraph`. */
const articleOf = (id: string) => id.split('#')[0]!;
const articles = [...new Set(data.docs.map(({ id }) => articleOf(id)))];
const declines = (all: RankedSentence[][], test: (best: RankedSentence) => boolean) =>
  share(all.filter((ranked) => !ranked[0] || test(ranked[0])).length, all.length);
const row = (test: (best: RankedSentence) => boolean, half?: 0 | 1) => {
  // Halves by article, to see whether a threshold holds for texts that it was not chosen on.
  const inHalf = (article: string) => half === undefined || articles.indexOf(article) % 2 === half;
  const asked = answerable.filter((_, at) => inHalf(articleOf(data.questions[at]!.relevant[0]!)));
  const unanswered = near.filter((_, at) => inHalf(articleOf(data.unanswerable[at]!.about)));
  const offTopic = far.filter((_, at) => half === undefined || at % 2 === half);
  const declined = (all: RankedSentence[][]) => all.filter((ranked) => !ranked[0] || test(ranked[0])).length;
  const rightly = declined(unanswered) + declined(offTopic);
  return {
    'answerable declined': declines(asked, test),
    'off-topic declined': declines(offTopic, test),
    'near-domain declined': declines(unanswered, test),
    precision: share(rightly, rightly + declined(asked)),
    recall: share(rightly, unanswered.length + offTopic.length),
  };
};
console.table({
  'as built': row((best) => choose([best]).length === 0),
  '… on the articles of one half': row((best) => choose([best]).length === 0, 0),
  '… and of the other': row((best) => choose([best]).length === 0, 1),
  'without doubts': row(({ evidence, cosine }) => evidence < 0.5 || cosine < 0.29),
  'cosine < 0.29': row(({ cosine }) => cosine < 0.29),
  ...Object.fromEntries(
    [0.45, 0.48, 0.5, 0.52, 0.55, 0.6].map((least) => [
      `net evidence < ${least}`,
      row(({ net }) => net < least),
    ]),
  ),
});
printCalibration();

async function rankAll(questions: string[]): Promise<RankedSentence[][]> {
  const vectors = await embedder.embed(questions, { purpose: 'query' });
  return questions.map((text, at) => {
    const found = sentencesOf(retrieve(text, vectors[at]!));
    return rankSentences(
      { text, vector: vectors[at]! },
      found,
      found.map((one) => vectorOf.get(one.scored)!),
    );
  });
}

/** The best five passages of 0.6 · dense + 0.4 · BM25, each leg's best 100, min-max normalised (docs: retrieval). */
function retrieve(text: string, vector: Float32Array): Passage[] {
  const dense = passageVectors.map((other) =>
    other.reduce((product, value, i) => product + value * vector[i]!, 0),
  );
  const lexical = bm25(text);
  const best = (scores: number[]) => [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!).slice(0, 100);
  const union = [...new Set([...best(dense), ...best(lexical)])];
  const normal = (scores: number[]) => {
    const values = union.map((at) => scores[at]!);
    const least = Math.min(...values);
    const span = Math.max(...values) - least || 1;
    return (at: number) => (scores[at]! - least) / span;
  };
  const [a, b] = [normal(dense), normal(lexical)];
  const fused = union.map((at) => ({ at, score: 0.6 * a(at) + 0.4 * b(at) }));
  fused.sort((one, other) => other.score - one.score);
  return fused.slice(0, 5).map(({ at }) => passages[at]!);
}

/** Okapi BM25 with Lucene's k1 = 1.2, b = 0.75. */
function createBm25(texts: string[]) {
  const words = (text: string) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const counts = texts.map((text) => Map.groupBy(words(text), (word) => word));
  const lengths = texts.map((text) => words(text).length);
  const mean = lengths.reduce((a, b) => a + b, 0) / lengths.length;
  return (question: string) => {
    const weights = words(question).map((word) => {
      const frequency = counts.filter((known) => known.has(word)).length;
      return { word, idf: Math.log(1 + (texts.length - frequency + 0.5) / (frequency + 0.5)) };
    });
    return counts.map((known, at) =>
      weights.reduce((score, { word, idf }) => {
        const tf = known.get(word)?.length ?? 0;
        return score + (idf * tf * 2.2) / (tf + 1.2 * (0.25 + (0.75 * lengths[at]!) / mean));
      }, 0),
    );
  };
}

function holds({ passage, shown }: RankedSentence, relevant: string[], answers: string[]): boolean {
  return relevant.includes(passage.documentId) && answers.some((answer) => shown.includes(answer));
}

/** Chance that an answerable question has more evidence than one that is not (area under the ROC curve). */
function auc(positive: RankedSentence[][], negative: RankedSentence[][]): number {
  const evidence = (ranked: RankedSentence[]) => ranked[0]?.net ?? 0;
  let wins = 0;
  for (const a of positive) for (const b of negative) wins += evidence(a) > evidence(b) ? 1 : 0;
  return wins / (positive.length * negative.length);
}

/**
 * Logistic regression of "the best sentence is right" on the evidence. Near-domain unanswerable questions count a
 * quarter: they were written to deceive, and real visitors ask fewer of them.
 */
function printCalibration() {
  const right = answerable.map((ranked, at) => {
    const { relevant, answers } = data.questions[at]!;
    return ranked[0] && holds(ranked[0], relevant, answers) ? 1 : 0;
  });
  const samples = [
    ...answerable.map((ranked, at) => ({ evidence: ranked[0]?.net ?? 0, right: right[at]!, weight: 1 })),
    ...near.map((ranked) => ({ evidence: ranked[0]?.net ?? 0, right: 0, weight: 0.25 })),
    ...far.map((ranked) => ({ evidence: ranked[0]?.net ?? 0, right: 0, weight: 1 })),
  ];
  const probability = (evidence: number) => 1 / (1 + Math.exp(-bias - slope * evidence));
  let [bias, slope] = [0, 0];
  // Newton's method on the log-likelihood: two parameters, so the Hessian is inverted by hand.
  for (let step = 0; step < 25; step++) {
    let [g0, g1, h00, h01, h11] = [0, 0, 0, 0, 0];
    for (const { evidence, right: label, weight } of samples) {
      const p = probability(evidence);
      g0 += weight * (label - p);
      g1 += weight * (label - p) * evidence;
      const curvature = weight * p * (1 - p);
      h00 += curvature;
      h01 += curvature * evidence;
      h11 += curvature * evidence * evidence;
    }
    const determinant = h00 * h11 - h01 * h01;
    bias += (h11 * g0 - h01 * g1) / determinant;
    slope += (h00 * g1 - h01 * g0) / determinant;
  }
  console.log(`calibration: slope ${slope.toFixed(1)}, half ${(-bias / slope).toFixed(3)}`);
  console.table(
    [0, 0.2, 0.4, 0.6, 0.8].map((from) => {
      const inside = samples.filter(({ evidence }) => {
        const confidence = probability(evidence);
        return confidence >= from && confidence < from + 0.2;
      });
      const weight = inside.reduce((total, sample) => total + sample.weight, 0);
      const hit = inside.reduce((total, sample) => total + sample.right * sample.weight, 0);
      return { confidence: `${from}–${(from + 0.2).toFixed(1)}`, weight, right: share(hit, weight) };
    }),
  );
}
