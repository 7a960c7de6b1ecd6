// Whether a passage says what a sentence claims. By words and numbers alone: cheap enough to do while the answer is
// streaming, and sure where it says yes.
import { addressesTheAssistant } from './injection.ts';
import { blocks, plainText, units } from './markdown.ts';
import { type Span, sentences } from './sentences.ts';

/** This share of a sentence's words must stand together in the passage. */
const leastCoverage = 0.5;

export interface Unit {
  /** Verbatim part of the passage. */
  quote: string;
  words: ReadonlySet<string>;
}

export interface Evidence {
  units: readonly Unit[];
  /** What stands above the passage: its words may be taken for granted in it. */
  context: ReadonlySet<string>;
  numbers: ReadonlySet<string>;
}

/** The sentences, items and rows of a passage. Those that address the assistant prove nothing. */
export function evidenceOf(passage: {
  title: string;
  headingPath: readonly string[];
  text: string;
}): Evidence {
  const quotes = [...blocks(passage.text)].flatMap((block) =>
    [...units(passage.text, block)].map(({ start, end }) => passage.text.slice(start, end)),
  );
  const kept = quotes.filter((quote) => /[\p{L}\p{N}]/u.test(quote) && !addressesTheAssistant(quote));
  const above = [passage.title, ...passage.headingPath].join('\n');
  return {
    units: kept.map((quote) => ({ quote, words: stems(plainText(quote)) })),
    context: stems(above),
    numbers: new Set([above, ...kept].flatMap(numbersIn)),
  };
}

/**
 * The part of the passage that supports the claim: enough of its words in one unit and its neighbours, and each of its
 * numbers in the passage. Undefined where the passage does not say it.
 */
export function supportFor(claim: string, evidence: Evidence): string | undefined {
  const wanted = [...stems(claim)];
  if (wanted.length === 0 || !numbersAgree(claim, evidence)) return undefined;
  const shared = (words: ReadonlySet<string>) => wanted.filter((word) => words.has(word)).length;
  let best: { quote: string; own: number } | undefined;
  for (const [at, { quote, words }] of evidence.units.entries()) {
    const near = [evidence.units[at - 1], evidence.units[at + 1]].flatMap((unit) => [...(unit?.words ?? [])]);
    const own = shared(words);
    const together = shared(new Set([...words, ...near, ...evidence.context]));
    if (own > 0 && together / wanted.length >= leastCoverage && own > (best?.own ?? 0)) best = { quote, own };
  }
  return best?.quote;
}

/** Whether every number of the claim stands in the passage. Words may be put differently; a price may not. */
export function numbersAgree(claim: string, evidence: Evidence): boolean {
  return numbersIn(claim).every((number) => evidence.numbers.has(number));
}

/** The sentences of an answer, without its markers, each with where it stands. */
export function claimsOf(answer: string): { text: string; span: Span }[] {
  const found: { text: string; span: Span }[] = [];
  let start = 0;
  for (const line of answer.split('\n')) {
    const end = start + line.length;
    for (const span of sentences(answer, { start, end })) {
      const text = plainText(answer.slice(span.start, span.end).replaceAll(/\[\d+\]/g, ''));
      if (/[\p{L}\p{N}]/u.test(text)) found.push({ text, span });
      // "It is so. [1]": the marker belongs to what it follows.
      else if (found.length > 0) found.at(-1)!.span.end = span.end;
    }
    start = end + 1;
  }
  return found;
}

const segmenter = new Intl.Segmenter('und', { granularity: 'word' });

/** Five letters stand for a word, as in the local answerer. Words of up to three letters carry no claim. */
function stems(text: string): Set<string> {
  const found = new Set<string>();
  for (const { segment, isWordLike } of segmenter.segment(text.normalize('NFKC').toLowerCase())) {
    if (isWordLike && (segment.length > 3 || /[^\p{Script=Latin}]/u.test(segment))) {
      found.add(segment.slice(0, 5));
    }
  }
  return found;
}

/** "1,000.50", "1.000,50" and "1000.5" are one number; "2–3" are two. */
export function numbersIn(text: string): string[] {
  return (text.match(/\d+(?:[.,'’\u00a0\u202f]\d+)*/g) ?? []).map((number) => {
    const grouped = number.replaceAll(/[.,'’\u00a0\u202f](?=\d{3}(?!\d))/g, '');
    return grouped.replace(/[.,](\d*?)0*$/, (_, decimals: string) => (decimals ? `.${decimals}` : ''));
  });
}
