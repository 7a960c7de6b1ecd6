import { questionFor, rewriteInstruction } from '../domain/follow-up.ts';
import type { ChatModel } from './chat-model.ts';
import type { RewriteRequest } from './generation.ts';

const maxTokens = 120;

/** Asks the model for the question as it stands alone. What is no question after all counts as none given. */
export async function rewriteWith(model: ChatModel, request: RewriteRequest): Promise<string> {
  const { signal } = request;
  let text = '';
  const events = model.stream({
    model: request.model || model.defaultModel,
    messages: [
      { role: 'system', text: rewriteInstruction },
      { role: 'user', text: questionFor(request) },
    ],
    temperature: 0,
    maxOutputTokens: maxTokens,
    tools: [],
    signal,
  });
  for await (const event of events) if (event.type === 'text') text += event.text;
  signal.throwIfAborted();
  const [line = ''] = text.trim().split('\n');
  return line.replaceAll(/^["'“]+|["'”]+$/g, '').slice(0, 500);
}
