// Sentences of running text in any language, as offsets (UTF-16 units) into it.

export interface Span {
  start: number;
  end: number;
}

/** Intl.Segmenter copies what it gets: give it windows. Longer than any sentence that is kept whole. */
const window = 8_192;

// Where Unicode's rules (UAX #29) see a sentence's end and there is none: titles and short forms, initials ("J."),
// dotted short forms ("z. B.", "U.S."), German ordinals ("3. Mai").
const noSentenceEnd =
  /(?:^|[\s("'])(?:Dr|Drs|Mr|Mrs|Ms|Mme|Prof|St|Sr|Sra|Jr|Hr|Fr|vs|cf|approx|ca|bzw|ggf|inkl|zzgl|evtl|Std|\p{L}|(?:\p{L}\.)+\p{L}|\d{1,2})\.\s*$/u;

/** Made once: making one takes as long as reading a paragraph with it. */
const segmenter = new Intl.Segmenter('und', { granularity: 'sentence' });

const closingMarks = /^[*_~`]+(?=\s|$)/;

/** Sentences of one paragraph, of any language, in order, without the white space between them. */
export function* sentences(source: string, { start, end }: Span): Generator<Span> {
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
export function wordBorder(source: string, start: number, end: number, length: number): number {
  if (end - start <= length) return end;
  const half = start + (length >> 1);
  const space = source.slice(half, start + length).search(/\s\S*$/);
  if (space >= 0) return half + space + 1;
  const cut = start + length;
  const low = source.charCodeAt(cut);
  return low >= 0xdc00 && low <= 0xdfff ? cut - 1 : cut;
}

/** The span without the white space at its ends. */
export function trimmed(source: string, { start, end }: Span): Span {
  const text = source.slice(start, end);
  const left = text.length - text.trimStart().length;
  return { start: start + left, end: Math.max(start + left, start + text.trimEnd().length) };
}
