// How a model's answer begins: with the answer, or with one of the words that stand for something else.
import { addressesTheAssistant } from '../domain/injection.ts';
import { createLeakCheck } from '../domain/output.ts';
import { askVisitor, noAnswer, smallTalk } from '../domain/prompt.ts';
import type { GenerationRequest } from './generation.ts';

/** Greetings are short; what is longer is a question, and needs sources. */
const smallTalkQuestion = 60;
const smallTalkReply = 300;

/** Finds out from the first words whether an answer comes, or one of the words that stand for something else. */
export function createOpening() {
  let kind: 'unknown' | 'answer' | 'declined' | 'small talk' | 'question' = 'unknown';
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
      else if (begun.startsWith(askVisitor)) kind = 'question';
      else if (![noAnswer, smallTalk, askVisitor].some((word) => word.startsWith(begun))) {
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
    addressesTheAssistant(question) ||
    saysTooMuch(reply, settings.systemPrompt);
  return tooMuch ? '' : reply;
}

/** A question to the visitor for what a tool needs: short, and only where there are tools. */
export function questionOf(text: string, { tools, settings }: GenerationRequest): string {
  const reply = text.replace(/^[\s"'`*]*ASK_VISITOR[\s:.*"'`–—-]*/, '').trim();
  const asks = (tools?.length ?? 0) > 0 && /[?？؟]/.test(reply);
  return asks && !saysTooMuch(reply, settings.systemPrompt) ? reply : '';
}

/** Facts need sources: here are neither. */
const saysTooMuch = (reply: string, prompt: string): boolean =>
  reply.length > smallTalkReply ||
  /https?:|www\.|[<>[\]]|\d{3}/.test(reply) ||
  createLeakCheck(prompt)(reply);
