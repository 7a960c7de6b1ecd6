import { passagesPerTurn } from './chat.ts';
import type { ProjectSettings } from './projects.ts';

/** Tokens that a model has used. */
export interface Usage {
  promptTokens: number;
  completionTokens: number;
}

/** Tokens of a passage with its title and headings, generously; chunks have about 300 characters. */
const passageTokens = 150;
/** Instructions, the conversation so far and what else a prompt holds beside settings, passages and question. */
const overheadTokens = 1_800;
/** Making a follow-up question whole, beside the question itself. */
const rewriteTokens = 900;
/** A local answer quotes two sentences, and counts words. */
const localTokens = { passage: 80, answer: 120 };

/** An upper estimate of the tokens that one attempt at an answer uses, and its question before it: what a limited project reserves. */
export function reservationOf(
  question: string,
  settings: Pick<ProjectSettings, 'provider' | 'systemPrompt' | 'assistantProfile' | 'maxOutputTokens'>,
): number {
  if (settings.provider === 'local') {
    return Math.ceil(question.length / 3) + passagesPerTurn * localTokens.passage + localTokens.answer;
  }
  const written = question.length + settings.systemPrompt.length + settings.assistantProfile.length;
  const rewriting = Math.ceil(question.length / 3) + rewriteTokens;
  const answer =
    Math.ceil(written / 3) + passagesPerTurn * passageTokens + overheadTokens + settings.maxOutputTokens;
  return answer + rewriting;
}

/** The same for a summary of what was said before. */
export const summaryReservation = 4_000;

/** Days that daily series and other recent figures go back, today included. */
export const recentDays = 30;
/** A conversation counts as active for this many minutes after its last message. */
export const activeMinutes = 30;
