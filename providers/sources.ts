// The passages as sources of an answer: what the model is shown of them, and what they allow it to say.
import { claimsOf, type Evidence, evidenceOf } from '../domain/grounding.ts';
import { addressesTheAssistant } from '../domain/injection.ts';
import { sourcesThatFit } from '../domain/prompt.ts';
import type { Passage } from './generation.ts';

export interface Checked {
  passage: Passage;
  evidence: Evidence;
  /** The passage without what addresses the assistant. */
  shown: string;
}

/** The passages that fit so many tokens of a prompt, best first. */
export function checkable(passages: readonly Passage[], tokens: number): Checked[] {
  const all = passages.map((passage) => {
    const evidence = evidenceOf(passage);
    return { passage, evidence, shown: withoutInstructions(passage.text) };
  });
  return all.slice(
    0,
    sourcesThatFit(
      all.map(({ passage, shown }) => ({
        title: passage.title,
        heading: passage.headingPath.join(' › '),
        text: shown,
      })),
      tokens,
    ),
  );
}

function withoutInstructions(text: string): string {
  const sentences: { start: number; end: number; dropped: boolean }[] = [];
  for (const { text: sentence, span } of claimsOf(text)) {
    const dropped = addressesTheAssistant(sentence);
    const before = sentences.at(-1);
    // No space between: the "!" of an image, say, was taken for a sentence's end.
    if (before?.end === span.start)
      Object.assign(before, { end: span.end, dropped: before.dropped || dropped });
    else sentences.push({ ...span, dropped });
  }
  return sentences
    .filter(({ dropped }) => dropped)
    .reduceRight((kept, { start, end }) => kept.slice(0, start) + kept.slice(end), text);
}

/** Links of the site itself, without anything added, and those that stand in the sources as they are. */
export function linkRule(siteUrl: string, sources: readonly string[]): (url: string) => boolean {
  const site = URL.canParse(siteUrl) ? new URL(siteUrl).host.replace(/^www\./, '') : undefined;
  return (url) => {
    const bare = url.replace(/^https?:\/\//i, '').replace(/\/$/, '');
    if (/^(?:mailto|tel):/i.test(url))
      return sources.some((source) => source.includes(url.replace(/^\w+:/, '')));
    const standsInSource = sources.some((source) => {
      const at = source.indexOf(bare);
      // Not as the beginning of a longer address, or the end of one.
      return at >= 0 && !/[\w%&=?/#-]/.test(source.slice(at + bare.length).replace(/^\//, '')[0] ?? ' ');
    });
    if (standsInSource) return true;
    const full = /^https?:\/\//i.test(url) ? url : `https://${url}`;
    if (!site || !URL.canParse(full)) return false;
    const { host, search, hash, username } = new URL(full);
    return host.replace(/^www\./, '') === site && search === '' && hash === '' && username === '';
  };
}
