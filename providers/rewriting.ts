// What a language model writes for us beside its answers: a follow-up question made whole, and summaries.
import { questionFor, rewriteInstruction, rewriteTokens } from '../domain/follow-up.ts';
import { stretchText, summaryInstruction, summaryTokens } from '../domain/summaries.ts';
import type { ChatModel } from './chat-model.ts';
import type { RewriteRequest, SummaryRequest, Written } from './generation.ts';

/** Asks the model for the question as it stands alone. What is no question after all counts as none given. */
export async function rewriteWith(model: ChatModel, request: RewriteRequest): Promise<Written> {
  const { text, usage } = await written(model, request, {
    instruction: rewriteInstruction,
    shown: questionFor(request),
    maxTokens: rewriteTokens,
  });
  const [line = ''] = text.trim().split('\n');
  return { text: line.replaceAll(/^["'“]+|["'”]+$/g, '').slice(0, 500), usage };
}

export async function summariseWith(model: ChatModel, request: SummaryRequest): Promise<Written> {
  const { text, usage } = await written(model, request, {
    instruction: summaryInstruction,
    shown: stretchText(request.before, request.turns),
    maxTokens: summaryTokens,
  });
  return { text: text.trim().slice(0, 4 * summaryTokens), usage };
}

async function written(
  model: ChatModel,
  request: { model: string; signal: AbortSignal },
  { instruction, shown, maxTokens }: { instruction: string; shown: string; maxTokens: number },
): Promise<Written> {
  const { signal } = request;
  const answer: Written = { text: '', usage: { promptTokens: 0, completionTokens: 0 } };
  const events = model.stream({
    model: request.model || model.defaultModel,
    messages: [
      { role: 'system', text: instruction },
      { role: 'user', text: shown },
    ],
    temperature: 0,
    maxOutputTokens: maxTokens,
    tools: [],
    signal,
  });
  for await (const event of events) {
    if (event.type === 'text') answer.text += event.text;
    else if (event.type === 'end') {
      answer.usage = event.usage;
      if (event.reason === 'refused') answer.text = '';
    }
  }
  signal.throwIfAborted();
  return answer;
}
