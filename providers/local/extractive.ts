// An answerer without a language model: it quotes the one or two sentences that fit best (of a short list that fits as
// a whole, its items), and never invents.
import { defaultModels } from '../../domain/models.ts';
import type { EmbeddingProvider } from '../embedding.ts';
import type {
  Citation,
  GenerationEvent,
  GenerationProvider,
  GenerationRequest,
  Passage,
} from '../generation.ts';
import { type RankedSentence, rankSentences, sentencesOf } from './sentences.ts';

// bench/local-answers.ts prints what these numbers do on the data they were chosen on (SQuAD and CLINC development
// halves); only those of lists are judgement, since that data has no lists.
const passagesRead = 5;
/**
 * Below either, the passages do not answer the question. The highest that declines at most one answerable question in
 * twenty (docs/providers.md).
 */
const leastEvidence = 0.5;
/** Words alone are no evidence: "thanks!" finds every sentence that thanks somebody. */
const leastCosine = 0.29;
/** How much weaker the second sentence may be: next to the first it usually completes it, elsewhere it is a rival. */
const secondBehind = { adjacent: 0.25, elsewhere: 0.05 };
/** "What are your opening hours?" is answered by a list, "Are you open on Sunday?" by one of its items. */
const list = { behind: 0.15, longest: 7 };
/** Logistic fit: how often the best sentence was right at a given net evidence. */
const calibration = { slope: 6.1, half: 0.673 };
/** About 30 MB of vectors. */
const cachedSentences = 20_000;

/**
 * The `local` provider: quotes, with one citation a sentence; declines where the evidence is too weak.
 * Of `settings` only the threshold means something to it. Throws what `embeddings` throws.
 */
export function createExtractiveProvider({
  embeddings,
}: {
  embeddings: EmbeddingProvider;
}): GenerationProvider {
  // The same help-centre sentences come again with most questions. A Map keeps its order: the first is the oldest.
  const cache = new Map<string, Float32Array>();

  async function embed(question: string, sentences: readonly string[], signal: AbortSignal) {
    const known = new Map<string, Float32Array>();
    for (const text of sentences) {
      const vector = cache.get(text);
      if (vector) known.set(text, vector);
    }
    const unknown = [...new Set(sentences)].filter((text) => !known.has(text));
    // All as queries: the visitor waits for the sentences as well.
    const options = { purpose: 'query', signal } as const;
    const [[questionVector], vectors] = await Promise.all([
      embeddings.embed([question], options),
      unknown.length > 0 ? embeddings.embed(unknown, options) : [],
    ]);
    for (const [at, text] of unknown.entries()) known.set(text, vectors[at]!);
    for (const [text, vector] of known) {
      cache.delete(text);
      cache.set(text, vector);
    }
    for (const text of cache.keys()) {
      if (cache.size <= cachedSentences) break;
      cache.delete(text);
    }
    return { question: questionVector!, sentences: sentences.map((text) => known.get(text)!) };
  }

  async function* generate({
    question: asked,
    searched,
    passages,
    settings,
    signal,
  }: GenerationRequest): AsyncGenerator<GenerationEvent> {
    const question = searched ?? asked;
    const read = passages.slice(0, passagesRead);
    const sentences = sentencesOf(read);
    const promptTokens = words(question) + read.reduce((total, { text }) => total + words(text), 0);
    let ranked: RankedSentence[] = [];
    if (sentences.length > 0 && question.trim() !== '') {
      try {
        const texts = sentences.map(({ scored }) => scored);
        const vectors = await embed(question, texts, signal);
        ranked = rankSentences({ text: question, vector: vectors.question }, sentences, vectors.sentences);
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
    }
    const confidence = ranked[0] ? confidenceOf(ranked[0]) : 0;
    // The project's threshold, or what the sentences need anyway.
    const chosen = confidence >= (settings.confidenceThreshold ?? 0) ? choose(ranked) : [];
    const answer = join(chosen);
    for (const text of answer.match(/\S+\s*/g) ?? []) {
      if (signal.aborted) return;
      yield { type: 'token', text };
    }
    const citations = chosen.map(({ passage, quote }): Citation => ({ chunkId: passage.chunkId, quote }));
    const usage = { promptTokens, completionTokens: words(answer) };
    yield {
      type: 'finish',
      outcome: chosen.length > 0 ? 'answered' : 'declined',
      citations,
      confidence,
      usage,
    };
  }

  return { name: 'local', defaultModel: defaultModels.local, generate };
}

function confidenceOf({ net }: RankedSentence): number {
  return 1 / (1 + Math.exp(calibration.slope * (calibration.half - net)));
}

function isEvident({ net, cosine }: RankedSentence): boolean {
  return net >= leastEvidence && cosine >= leastCosine;
}

/** None, the best or the best two sentences, or the items of the best list; those of one passage in the text's order. */
export function choose(ranked: readonly RankedSentence[]): RankedSentence[] {
  const best = ranked[0];
  if (!best || !isEvident(best)) return [];
  if (best.list !== undefined) {
    const items = ranked.filter(
      (other) =>
        isSame(best.passage, other.passage) &&
        other.list === best.list &&
        best.evidence - other.evidence <= list.behind &&
        isEvident(other),
    );
    return items.length <= list.longest ? items.sort((a, b) => a.order - b.order) : [best];
  }
  const second = ranked.find(({ shown }) => shown !== best.shown);
  if (!second || !isEvident(second)) return [best];
  const samePassage = isSame(best.passage, second.passage);
  const adjacent = samePassage && Math.abs(best.order - second.order) === 1;
  if (best.evidence - second.evidence > (adjacent ? secondBehind.adjacent : secondBehind.elsewhere))
    return [best];
  return samePassage && second.order < best.order ? [second, best] : [best, second];
}

function isSame(a: Passage, b: Passage): boolean {
  return a.chunkId === b.chunkId;
}

/** Sentences run on; list items and rows stand on lines of their own. */
function join(chosen: readonly RankedSentence[]): string {
  const separator = chosen.some((sentence) => sentence.list !== undefined) ? '\n' : ' ';
  return chosen.map(({ shown }) => shown).join(separator);
}

/** Usage is counted in words: nobody is billed for it, and no model's tokens are involved. */
function words(text: string): number {
  return text.match(/\S+/g)?.length ?? 0;
}
