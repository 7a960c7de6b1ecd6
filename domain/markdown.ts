// Markdown and plain text as a sequence of blocks, with offsets (UTF-16 units) into the source. Not a Markdown parser:
// it tells headings, paragraphs, lists, tables and code apart in one pass, in time and memory linear in a 50 MB text.
import { type Span, sentences, trimmed } from './sentences.ts';

/** A stretch of one kind. A heading's span is its title alone. */
export interface Block extends Span {
  kind: 'heading' | 'paragraph' | 'list' | 'table' | 'code' | 'sentence';
  /** Of a heading: 1 to 6. */
  level: number;
  /** Source lines, one in most headings and many in a paragraph. */
  lines: number;
}

/** A longer "heading" is a paragraph that happens to begin with '#': it must not be repeated with every chunk. */
const maxHeading = 300;
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
