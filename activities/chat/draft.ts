import type { ClosestDocument, RankedChunk, Source } from '../../domain/chat.ts';
import type { Citation, GenerationEvent, Passage } from '../../providers/generation.ts';
import type { Draft } from '../../stores/postgres/turn-attempts.ts';

const closestDocuments = 3;

/** What an attempt came to. Without a finish it was stopped on the way. */
export function draftOf(generated: {
  text: string;
  finish: Extract<GenerationEvent, { type: 'finish' }> | undefined;
  passages: readonly Passage[];
  ranked: readonly RankedChunk[];
  unknownText: string;
}): Draft {
  const { text, finish, passages, ranked } = generated;
  const usage = {
    promptTokens: finish?.usage.promptTokens ?? 0,
    completionTokens: finish?.usage.completionTokens ?? 0,
  };
  if (!finish)
    return { outcome: 'cancelled', reply: text, sources: [], closest: [], confidence: null, ...usage };
  if (finish.outcome === 'declined') {
    return {
      outcome: 'declined',
      reply: generated.unknownText,
      sources: [],
      closest: closestOf(passages),
      confidence: finish.confidence,
      refusal: finish.refusal,
      ...usage,
    };
  }
  const sources = finish.citations.flatMap((citation) => sourceOf(citation, passages, ranked) ?? []);
  return { outcome: 'answered', reply: text, sources, closest: [], confidence: finish.confidence, ...usage };
}

/** A citation as a source; undefined when the passage does not contain the quote, because then it proves nothing. */
function sourceOf(
  { chunkId, quote }: Citation,
  passages: readonly Passage[],
  ranked: readonly RankedChunk[],
): Source | undefined {
  const passage = passages.find((candidate) => candidate.chunkId === chunkId);
  if (!passage?.text.includes(quote)) return undefined;
  return {
    documentId: passage.documentId,
    title: passage.title,
    heading: passage.headingPath.join(' › '),
    ...(typeof passage.page === 'number' ? { page: passage.page } : {}),
    quote,
    score: ranked.find((candidate) => candidate.chunkId === chunkId)?.score ?? 0,
  };
}

function closestOf(passages: readonly Passage[]): ClosestDocument[] {
  const titles = new Map(passages.map(({ documentId, title }) => [documentId, title]));
  return [...titles].slice(0, closestDocuments).map(([documentId, title]) => ({ documentId, title }));
}
