// Which sentences of the passages answer a question: what they are, and how strongly each speaks for itself.
import { numbersIn } from '../../domain/grounding.ts';
import { type Block, blocks, plainText, units } from '../../domain/markdown.ts';
import type { Passage } from '../generation.ts';
import { askedBy, doubt } from './doubts.ts';

export interface Sentence {
  passage: Passage;
  /** Position of the passage among those given, 0 = best. */
  rank: number;
  /** Position among the sentences of its passage. */
  order: number;
  /** Verbatim part of the passage's text. */
  quote: string;
  /** The quote without markup, as the visitor reads it. */
  shown: string;
  /** Which list, table or code of its passage it is an item, row or line of; undefined in running text. */
  list: number | undefined;
  /** What is compared with the question: heading (else title) and what introduces the sentence, then the sentence. */
  scored: string;
}

export interface RankedSentence extends Sentence {
  cosine: number;
  /** 0 to 1: share of the question's words that the sentence has, rare words counting more. */
  overlap: number;
  /** What sentences are ordered by. */
  evidence: number;
  /** The evidence less what speaks against the sentence (doubts.ts): what is declined by. */
  net: number;
}

// bench/local-answers.ts measures what these do. Overlap finds the sentence among similar ones: 77 % of best sentences
// are right with it and 65 % by cosine alone. The rank of the passage only breaks near-ties.
const overlapWeight = 0.3;
const rankPenalty = 0.01;

const hasWords = /[\p{L}\p{N}]/u;
const hasEnd = /[\p{P}]$/u;
const isQuestion = /[?？؟]["'”’)*_]*$/;

/** Sentences, list items and table rows of the passages. Questions and lead-ins ("We ship to:") only introduce others. */
export function sentencesOf(passages: readonly Passage[]): Sentence[] {
  return passages.flatMap((passage, rank) => {
    const heading = passage.headingPath.at(-1) ?? passage.title;
    const found: Sentence[] = [];
    // A question introduces the one sentence after it (a FAQ); a line that ends in a colon the whole list after it.
    let question = '';
    let leadIn = '';
    const all = [...blocks(passage.text)];
    for (const [at, block] of all.entries()) {
      if (block.kind === 'paragraph' || block.kind === 'heading') leadIn = '';
      const listed = ['list', 'table', 'code'].includes(all[at + 1]?.kind ?? '');
      for (const { quote, shown } of block.kind === 'table'
        ? rows(passage.text, block)
        : parts(passage.text, block)) {
        // A document without a heading has its first line for a title: it may well be a sentence that answers.
        const repeatsHeading = shown === heading;
        if (!hasWords.test(shown) || (repeatsHeading && !hasEnd.test(shown))) continue;
        if (isQuestion.test(quote)) {
          question = shown;
        } else if (block.kind === 'paragraph' && listed && /[:：]$/.test(shown)) {
          leadIn = shown;
        } else {
          const scored = [
            heading && !repeatsHeading && (hasEnd.test(heading) ? heading : `${heading}:`),
            leadIn,
            question,
            shown,
          ]
            .filter(Boolean)
            .join(' ');
          const list = block.kind === 'paragraph' ? undefined : at;
          found.push({ passage, rank, order: found.length, quote, shown, list, scored });
          question = '';
        }
      }
    }
    return found;
  });
}

function parts(text: string, block: Block): { quote: string; shown: string }[] {
  // A chunk of a heading alone is plain text here; a real heading inside a passage introduces nothing.
  const spans = block.kind === 'heading' ? [] : [...units(text, block)];
  return spans.map(({ start, end }) => {
    const quote = text.slice(start, end);
    return { quote, shown: plainText(quote) };
  });
}

/** "| Zone A | 4.90 |" below "| Zone | Price |" reads "Zone: Zone A, Price: 4.90". */
function rows(text: string, block: Block): { quote: string; shown: string }[] {
  const lines = [...units(text, block)].map(({ start, end }) => text.slice(start, end));
  const cells = (line: string) =>
    line
      .replace(/^\||\|$/g, '')
      .split('|')
      .map(plainText);
  const headed = lines.length > 2 && /^[\s|:-]+$/.test(lines[1]!);
  const names = headed ? cells(lines[0]!) : [];
  return lines.slice(headed ? 2 : 0).map((quote) => ({
    quote,
    shown: cells(quote)
      .map((cell, column) => (cell && names[column] ? `${names[column]}: ${cell}` : cell))
      .filter(Boolean)
      .join(', '),
  }));
}

const segmenter = new Intl.Segmenter('und', { granularity: 'word' });

/** Five letters stand for a word: "ship", "ships"; "deliver", "delivery". A stemmer for any language that has letters. */
function wordStems(text: string): Set<string> {
  const stems = new Set<string>();
  for (const { segment, isWordLike } of segmenter.segment(text.normalize('NFKC').toLowerCase())) {
    if (isWordLike) stems.add(segment.slice(0, 5));
  }
  return stems;
}

/**
 * Sentences with their evidence, strongest first. `vectors` are those of `sentence.scored`, of norm 1, in order.
 * Words are weighed by the inverse of how many of the sentences have them, ln(1 + n / (1 + df)), as in tf-idf.
 */
export function rankSentences(
  question: { text: string; vector: Float32Array },
  sentences: readonly Sentence[],
  vectors: readonly Float32Array[],
): RankedSentence[] {
  const stems = sentences.map(({ scored }) => wordStems(scored));
  const weights = new Map<string, number>();
  for (const stem of wordStems(question.text)) {
    const frequency = stems.filter((known) => known.has(stem)).length;
    weights.set(stem, Math.log(1 + sentences.length / (1 + frequency)));
  }
  const total = sum(weights.values());
  const asked = askedBy(question.text);
  const places = new Map(
    [...new Set(sentences.map(({ passage }) => passage))].map((passage) => [passage, placeOf(passage)]),
  );
  return sentences
    .map((sentence, at) => {
      const cosine = dot(question.vector, vectors[at]!);
      const shared = [...weights].filter(([stem]) => stems[at]!.has(stem)).map(([, weight]) => weight);
      const overlap = total > 0 ? sum(shared) / total : 0;
      const against = doubt(asked, sentence.shown, places.get(sentence.passage)!);
      const evidence = cosine + overlapWeight * overlap - rankPenalty * sentence.rank;
      return { ...sentence, cosine, overlap, evidence, net: evidence - against };
    })
    .sort((a, b) => b.evidence - a.evidence);
}

function placeOf({ title, headingPath, text }: Passage) {
  const all = [title, ...headingPath, text].join('\n');
  return { numbers: new Set(numbersIn(all)), stems: wordStems(all) };
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

function dot(a: Float32Array, b: Float32Array): number {
  let product = 0;
  for (let i = 0; i < a.length; i++) product += a[i]! * b[i]!;
  return product;
}
