// How a model's answer begins: with the answer, or with one of the words that stand for something else.
import { addressesTheAssistant } from '../domain/injection.ts';
import { createLeakCheck } from '../domain/output.ts';
import { noAnswer, smallTalk } from '../domain/prompt.ts';
import type { GenerationRequest } from './generation.ts';

/** Greetings are short; what is longer is a question, and needs sources. */
const smallTalkQuestion = 60;
const smallTalkReply = 300;

/** Finds out from the first words whether an answer comes, or one of the two words that stand for something else. */
export function createOpening() {
  let kind: 'unknown' | 'answer' | 'declined' | 'small talk' = 'unknown';
  let held = '';
  return {
    get kind() {
      return kind;
    },
    /** What is known to be answer by now. */
    push(text: string): string {
      if (kind === 'answer') return text;
      held += text;
      if (kind !== 'unknown') return '';
      const begun = held.trimStart().replace(/^["'`*]+/, '');
      if (begun.startsWith(noAnswer)) kind = 'declined';
      else if (begun.startsWith(smallTalk)) kind = 'small talk';
      else if (!noAnswer.startsWith(begun) && !smallTalk.startsWith(begun)) {
        kind = 'answer';
        return held;
      }
      return '';
    },
    end(): string {
      if (kind === 'unknown') kind = 'answer';
      else if (kind === 'answer') return '';
      return held;
    },
  };
}

/** A reply to a greeting: short, without links, and only where the visitor did not ask for more. */
export function smallTalkOf(text: string, { question, settings }: GenerationRequest): string {
  const reply = text.replace(/^[\s"'`*]*SMALL_TALK[\s:.*"'`–—-]*/, '').trim();
  const tooMuch =
    question.length > smallTalkQuestion ||
    reply.length > smallTalkReply ||
    addressesTheAssistant(question) ||
    /https?:|www\.|[<>[\]]|\d{3}/.test(reply) ||
    createLeakCheck(settings.systemPrompt)(reply);
  return tooMuch ? '' : reply;
}
