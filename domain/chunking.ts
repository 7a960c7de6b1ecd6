// Cuts a document into the passages that are embedded, searched and quoted. Offsets count UTF-16 units in the source,
// and `source.slice(startOffset, endOffset) === text` holds for every chunk, so a citation points at the very place.
// Everything here is linear in the text: one line of 50 MB is as good as a million short ones.

export interface Chunk {
  /** 0, 1, 2 … in the order of the text. */
  ordinal: number;
  /** Headings above the chunk, outermost first, without markup. */
  headingPath: string[];
  text: string;
  startOffset: number;
  endOffset: number;
}

export interface Span {
  start: number;
  end: number;
}

/** A stretch of one kind. A heading's span is its title alone. */
export interface Block extends Span {
  kind: 'heading' | 'paragraph' | 'list' | 'table' | 'code' | 'sentence';
  /** Of a heading: 1 to 6. */
  level: number;
  /** Source lines, one in most headings and many in a paragraph. */
  lines: number;
}

// Small chunks are found best: a vector of two or three sentences is about one thing. Measured with the bundled model on
// SQuAD paragraphs (bench/retrieval), hybrid nDCG@10 is 0.91 at 300 and 0.89 at 800, and no other size did better.
const defaultTarget = 300;
const defaultMaximum = 400;
/** A longer "heading" is a paragraph that happens to begin with '#': it must not be repeated with every chunk. */
const maxHeading = 300;
/** Intl.Segmenter copies what it gets: give it windows. Longer than any sentence that is kept whole. */
const window = 8_192;

const fenceLine = /^ {0,3}(`{3,}(?!.*`)|~{3,})/;
const atxLine = /^\uFEFF? {0,3}(#{1,6})(?=[ \t]|$)/;
// Three at least, where CommonMark takes one: "--" also stands above the signature in mails.
const setextLine = /^ {0,3}(?:={3,}|-{3,})\s*$/;
const dividerLine = /^\s*(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,}|={3,}\s*)$/;
const delimiterRow = /^[\s|:-]*-[\s|:-]*$/;
const bullet = /^\s*(?:[-*+•]|(\d{1,9})[.)])\s+\S/;

/** Spans without the line ends. */
export function* lines(source: string, { start, end }: Span): Generator<Span> {
  const lineEnd = /\r\n|\n|\r/g;
  lineEnd.lastIndex = start;
  for (let found = lineEnd.exec(source); found && found.index < end; found = lineEnd.exec(source)) {
    yield { start, end: found.index };
    start = lineEnd.lastIndex;
  }
  if (start < end) yield { start, end };
}

function trimmed(source: string, { start, end }: Span): Span {
  const text = source.slice(start, end);
  const left = text.length - text.trimStart().length;
  return { start: start + left, end: Math.max(start + left, start + text.trimEnd().length) };
}

/** Headings, paragraphs, lists, tables and fenced code of Markdown or plain text, in order. Dividers are left out. */
export function* blocks(source: string): Generator<Block> {
  let open: Block | undefined;
  let fence: string | undefined;
  for (const line of lines(source, { start: 0, end: source.length })) {
    const whole = source.slice(line.start, line.end);
    const { start, end } = trimmed(source, line);
    // Only short lines can be marks; the head of a long one tells its kind.
    const short = whole.length <= maxHeading;
    const head = whole.slice(0, maxHeading);
    if (fence && open) {
      if (start < end) open.end = end;
      if (short && head.trim().startsWith(fence) && /^(`+|~+)$/.test(head.trim())) {
        yield open;
        open = fence = undefined;
      }
      continue;
    }
    const block = (kind: Block['kind'], level = 0): Block => ({ kind, level, lines: 1, start, end });
    const atx = short ? atxLine.exec(head) : null;
    fence = fenceLine.exec(head)?.[1];
    if (start === end) {
      if (open) yield open;
      open = undefined;
    } else if (fence) {
      if (open) yield open;
      open = block('code');
    } else if (atx) {
      if (open) yield open;
      open = undefined;
      // "## Title ##": the closing marks go, where a space stands before them.
      const from = start + atx[1]!.length;
      const title = source.slice(from, end).trimEnd();
      const bare = title.replace(/#+$/, '');
      const kept = bare === '' || /\s$/.test(bare) ? bare : title;
      yield {
        ...block('heading', atx[1]!.length),
        ...trimmed(source, { start: from, end: from + kept.length }),
      };
    } else if (short && open && isTitle(open) && setextLine.test(head)) {
      yield { ...open, kind: 'heading', level: head.includes('=') ? 1 : 2 };
      open = undefined;
    } else if (short && dividerLine.test(head)) {
      if (open) yield open;
      open = undefined;
    } else {
      const item = bullet.exec(head);
      // In running text a line may begin with "1986. It was …": only "1." begins a list there, as in CommonMark.
      const begins = item && (open?.kind !== 'paragraph' || item[1] === undefined || item[1] === '1');
      const piped = head.includes('|');
      if (
        open &&
        isTitle(open) &&
        piped &&
        delimiterRow.test(head) &&
        source.slice(open.start, open.end).includes('|')
      )
        open.kind = 'table';
      const row = piped && (head.trimStart().startsWith('|') || open?.kind === 'table');
      const kind = row ? 'table' : begins || open?.kind === 'list' ? 'list' : 'paragraph';
      if (open?.kind === kind) {
        open.end = end;
        open.lines += 1;
      } else {
        if (open) yield open;
        open = block(kind);
      }
    }
  }
  if (open) yield open;
}

function isTitle(block: Block): boolean {
  return block.kind === 'paragraph' && block.lines === 1 && block.end - block.start <= maxHeading;
}

// Where Unicode's rules (UAX #29) see a sentence's end and there is none: titles and short forms, initials ("J."),
// dotted short forms ("z. B.", "U.S."), German ordinals ("3. Mai").
const noSentenceEnd =
  /(?:^|[\s("'])(?:Dr|Drs|Mr|Mrs|Ms|Mme|Prof|St|Sr|Sra|Jr|Hr|Fr|vs|cf|approx|ca|bzw|ggf|inkl|zzgl|evtl|Std|\p{L}|(?:\p{L}\.)+\p{L}|\d{1,2})\.\s*$/u;

const closingMarks = /^[*_~`]+(?=\s|$)/;

/** Sentences of one paragraph, of any language, in order, without the white space between them. */
export function* sentences(source: string, { start, end }: Span): Generator<Span> {
  const segmenter = new Intl.Segmenter('und', { granularity: 'sentence' });
  let pending: Span | undefined;
  while (start < end) {
    const border = wordBorder(source, start, end, window);
    // A line's end inside a paragraph is a space and not a sentence's end.
    const text = source.slice(start, border).replace(/[\r\n\u0085\u2028\u2029]/g, ' ');
    let next = border;
    for (const { index, segment } of segmenter.segment(text)) {
      const from = start + index;
      // The window may end inside the last sentence: begin the next window with it.
      if (border < end && index > 0 && index + segment.length === text.length) {
        next = from;
        break;
      }
      const found = trimmed(source, { start: from, end: from + segment.length });
      // "**Is it so?** Yes.": the segmenter leaves the closing marks to the next sentence.
      if (pending?.end === found.start) {
        const marks =
          closingMarks.exec(source.slice(found.start, Math.min(found.end, found.start + 8)))?.[0].length ?? 0;
        pending.end += marks;
        Object.assign(found, trimmed(source, { start: found.start + marks, end: found.end }));
      }
      if (found.start === found.end) continue;
      if (
        pending &&
        noSentenceEnd.test(source.slice(Math.max(pending.start, pending.end - 16), pending.end))
      ) {
        pending.end = found.end;
      } else {
        if (pending) yield pending;
        pending = found;
      }
    }
    start = next;
  }
  if (pending) yield pending;
}

/** Where to cut so that at most `length` units go before: after a word, at worst inside it, never in a surrogate pair. */
function wordBorder(source: string, start: number, end: number, length: number): number {
  if (end - start <= length) return end;
  const half = start + (length >> 1);
  const space = source.slice(half, start + length).search(/\s\S*$/);
  if (space >= 0) return half + space + 1;
  const cut = start + length;
  const low = source.charCodeAt(cut);
  return low >= 0xdc00 && low <= 0xdfff ? cut - 1 : cut;
}

/** Items of a list, rows of a table, lines of code, sentences of a paragraph. */
export function* units(source: string, block: Block): Generator<Block> {
  const unit = (span: Span, kind: Block['kind']): Block => ({ kind, level: 0, lines: 1, ...span });
  if (block.kind === 'paragraph') {
    for (const span of sentences(source, block)) yield unit(span, 'sentence');
    return;
  }
  let item: Block | undefined;
  for (const line of lines(source, block)) {
    const span = trimmed(source, line);
    if (span.start === span.end) continue;
    if (block.kind !== 'list') {
      yield unit(span, 'sentence');
    } else if (!item || bullet.test(source.slice(line.start, Math.min(line.end, line.start + maxHeading)))) {
      if (item) yield item;
      item = unit(span, 'paragraph');
    } else {
      item.end = span.end;
    }
  }
  if (item) yield item;
}

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
 * nothing else. Text without words gives no chunk.
 */
export function chunkText(
  source: string,
  { maxCharacters: maximum = defaultMaximum, targetCharacters = defaultTarget } = {},
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

  for (const block of blocks(source)) {
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

/** Words of one Markdown block as a reader sees them: without bullets, heading and quote marks, emphasis and link targets. */
export function plainText(markdown: string): string {
  return markdown
    .replace(/^\s*(?:(?:[-*+•]|\d{1,9}[.)]|#{1,6}|>)\s+)+/, '')
    .replace(/!?\[([^[\]]{0,1000})\]\([^()\s]{0,1000}(?:\s+"[^"]{0,1000}")?\)/g, '$1')
    .replace(/(\*\*|__|~~|`)(?=\S)(.{0,1000}?\S)\1/g, '$2')
    .replace(/(?<![\p{L}\p{N}*])\*(?=\S)([^*]{0,1000}\S)\*(?![\p{L}\p{N}*])/gu, '$1')
    .replace(/(?<![\p{L}\p{N}_])_(?=\S)([^_]{0,1000}\S)_(?![\p{L}\p{N}_])/gu, '$1')
    .replace(/\*\*(?=\S)|(?<=\S)\*\*/g, '') // half a pair, cut off with another sentence
    .replace(/\\([\\`*_{}[\]()#+.!|>~-])/g, '$1')
    .replace(/\s+/g, ' ')
    .trim();
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
