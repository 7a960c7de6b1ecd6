import type {
  ChatCompletionChunk,
  ChatCompletionCreateParamsStreaming,
  ChatCompletionMessageParam,
} from 'openai/resources';
import { defaultModels } from '../../domain/models.ts';
import type { ChatEvent, ChatMessage, ChatModel, ChatRequest } from '../chat-model.ts';
import { brokenProtocol } from '../failures.ts';
import type { ToolCall } from '../generation.ts';
import { type Patience, patiently } from '../patience.ts';
import { connectOpenAi, openAiFailure, type OpenAiOptions } from './client.ts';

/** Models that think before they speak take no temperature. */
const reasoning = /^(o\d|gpt-5)/;

/** `openai`, `groq` and `ollama`: chat completions, streamed. */
export function createOpenAiChat(
  options: OpenAiOptions & { patience: Patience; defaultModel?: string | undefined },
): ChatModel {
  const { name, patience } = options;
  const client = connectOpenAi(options);

  async function* stream(request: ChatRequest): AsyncGenerator<ChatEvent> {
    const { model, signal } = request;
    const chunks = patiently(
      name,
      { signal, patience, failure: (error) => openAiFailure(name, error, model) },
      (ended) => client.chat.completions.create(bodyOf(request, name), { signal: ended }),
      speaks,
    );
    const usage = { promptTokens: 0, completionTokens: 0 };
    const calls = new Map<number, { id: string; name: string; json: string }>();
    let refusal = '';
    let finished: string | undefined;
    for await (const chunk of chunks) {
      if (chunk.usage) {
        usage.promptTokens = chunk.usage.prompt_tokens;
        usage.completionTokens = chunk.usage.completion_tokens;
      }
      const choice = chunk.choices?.[0];
      finished ??= choice?.finish_reason ?? undefined;
      const { content, refusal: refused, tool_calls } = choice?.delta ?? {};
      if (content) yield { type: 'text', text: content };
      if (refused) refusal += refused;
      for (const part of tool_calls ?? []) {
        const call = calls.get(part.index) ?? { id: '', name: '', json: '' };
        call.id ||= part.id ?? '';
        call.name ||= part.function?.name ?? '';
        call.json += part.function?.arguments ?? '';
        calls.set(part.index, call);
      }
    }
    if (signal.aborted) return;
    if (!finished) throw brokenProtocol(name, 'the answer broke off before its end.');
    for (const call of calls.values()) yield { type: 'tool_call', ...toolCall(name, call) };
    if (refusal || finished === 'content_filter') {
      const reason = refusal ? 'the model refused' : "the provider's content filter stopped the answer";
      yield { type: 'end', reason: 'refused', refusal: reason, usage };
    } else {
      yield { type: 'end', reason: finished === 'length' ? 'length' : 'stop', usage };
    }
  }

  return {
    name,
    defaultModel: options.defaultModel ?? defaultModels[name],
    stream,
    async listModels(signal) {
      try {
        const found: string[] = [];
        for await (const { id } of client.models.list({ signal })) found.push(id);
        return found.sort();
      } catch (error) {
        throw openAiFailure(name, error);
      }
    },
  };
}

function bodyOf(request: ChatRequest, name: OpenAiOptions['name']): ChatCompletionCreateParamsStreaming {
  const { model, messages, temperature, maxOutputTokens, tools } = request;
  return {
    model,
    stream: true,
    stream_options: { include_usage: true },
    messages: messages.flatMap(messageOf),
    ...(reasoning.test(model) ? {} : { temperature }),
    // Ollama knows the old name only.
    ...(name === 'ollama' ? { max_tokens: maxOutputTokens } : { max_completion_tokens: maxOutputTokens }),
    ...(tools.length > 0
      ? { tools: tools.map((tool) => ({ type: 'function' as const, function: { ...tool } })) }
      : {}),
  };
}

function messageOf(message: ChatMessage): ChatCompletionMessageParam[] {
  if (message.role !== 'tool') return [{ role: message.role, content: message.text }];
  const { call, result } = message;
  const asked = { name: call.name, arguments: JSON.stringify(call.arguments) };
  return [
    { role: 'assistant', tool_calls: [{ id: call.id, type: 'function', function: asked }] },
    { role: 'tool', tool_call_id: call.id, content: result },
  ];
}

function speaks({ choices }: ChatCompletionChunk): boolean {
  const choice = choices?.[0];
  const { content, refusal, tool_calls } = choice?.delta ?? {};
  return Boolean(content || refusal || tool_calls?.length || choice?.finish_reason);
}

function toolCall(provider: string, call: { id: string; name: string; json: string }): ToolCall {
  let given: unknown;
  try {
    given = JSON.parse(call.json || '{}');
  } catch {
    given = undefined;
  }
  if (!call.name || typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw brokenProtocol(provider, 'asked for a tool in a way that cannot be read.');
  }
  return { id: call.id, name: call.name, arguments: given as Record<string, unknown> };
}
