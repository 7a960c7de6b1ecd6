// Cuts a document into the passages that are embedded, searched and quoted. Offsets count UTF-16 units in the source,
// and `source.slice(startOffset, endOffset) === text` holds for every chunk, so a citation points at the very place.
// Everything here is linear in the text: one line of 50 MB is as good as a million short ones.
import { type Block, blocks, plainText, units } from './markdown.ts';
import { type Span, trimmed, wordBorder } from './sentences.ts';

export interface Chunk {
  /** 0, 1, 2 … in the order of the text. */
  ordinal: number;
  /** Headings above the chunk, outermost first, without markup. */
  headingPath: string[];
  text: string;
  startOffset: number;
  endOffset: number;
}

// Small chunks are found best: a vector of two or three sentences is about one thing. Measured with the bundled model on
// SQuAD paragraphs (bench/retrieval), hybrid nDCG@10 is 0.91 at 300 and 0.89 at 800, and no other size did better.
const defaultTarget = 300;
const defaultMaximum = 400;
function* words(source: string, { start, end }: Span, maximum: number): Generator<Block> {
  while (start < end) {
    const border = wordBorder(source, start, end, maximum);
    const found = trimmed(source, { start, end: border });
    if (found.start < found.end) yield { kind: 'sentence', level: 0, lines: 1, ...found };
    start = border;
  }
}

/**
 * Chunks of at most `maxCharacters` UTF-16 units (16 at least), near `targetCharacters` where the text allows it.
 * A chunk lies within one section. Headings are in `headingPath` and not in the text, except where a section has
 * nothing else. Text without words gives no chunk. No chunk goes over a break: an offset in ascending order, as where a
 * page begins.
 */
export function chunkText(
  source: string,
  {
    maxCharacters: maximum = defaultMaximum,
    targetCharacters = defaultTarget,
    breaks = [],
  }: { maxCharacters?: number; targetCharacters?: number; breaks?: readonly number[] } = {},
): Chunk[] {
  if (!(maximum >= 16)) throw new RangeError(`maxCharacters must be at least 16, not ${maximum}.`);
  const target = Math.min(targetCharacters, maximum);
  const chunks: Chunk[] = [];
  let path: { level: number; title: string }[] = [];
  let heading: Block | undefined;
  let current: Span | undefined;

  function flush() {
    if (!current) return;
    const { start, end } = current;
    chunks.push({
      ordinal: chunks.length,
      headingPath: path.map(({ title }) => title).filter(Boolean),
      text: source.slice(start, end),
      startOffset: start,
      endOffset: end,
    });
    current = undefined;
  }

  function add(block: Block) {
    const length = block.end - block.start;
    // A scrap (a short last sentence, a line that introduces a list) may overfill the target but not the maximum.
    const scrap = current && Math.min(length, current.end - current.start) < target / 4;
    if (current && block.end - current.start <= (scrap ? maximum : target)) {
      current.end = block.end;
    } else if (length <= maximum) {
      flush();
      current = { start: block.start, end: block.end };
    } else {
      for (const part of block.kind === 'sentence' ? words(source, block, maximum) : units(source, block))
        add(part);
    }
  }

  /** A heading with nothing below it becomes a chunk itself. */
  function endSection(nextLevel: number) {
    flush();
    if (heading && heading.start < heading.end && heading.level >= nextLevel)
      add({ ...heading, kind: 'sentence' });
    flush();
    heading = undefined;
  }

  let nextBreak = 0;
  for (const block of blocks(source)) {
    if (nextBreak < breaks.length && breaks[nextBreak]! <= block.start) {
      flush();
      while (nextBreak < breaks.length && breaks[nextBreak]! <= block.start) nextBreak += 1;
    }
    if (block.kind === 'heading') {
      endSection(block.level);
      path = path.filter(({ level }) => level < block.level);
      path.push({ level: block.level, title: plainText(source.slice(block.start, block.end)) });
      heading = block;
    } else {
      heading = undefined;
      add(block);
    }
  }
  endSection(0);
  return chunks;
}

/** What is embedded for a chunk: the document's title and the headings, each once and never longer than a line, then the text. */
export function embeddingText(title: string, chunk: Pick<Chunk, 'headingPath' | 'text'>): string {
  const context: string[] = [];
  for (const name of [title, ...chunk.headingPath]) {
    const words = name.trim().slice(0, 60).trim();
    if (words && !context.some((known) => known.toLowerCase() === words.toLowerCase())) context.push(words);
  }
  // The innermost headings say most about the text, the title says whose it is: three lines at most.
  const kept = context.length > 3 ? [context[0]!, ...context.slice(-2)] : context;
  return [...kept, chunk.text].join('\n');
}
