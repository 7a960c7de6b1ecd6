import type {
  Content,
  EnhancedGenerateContentResponse,
  FunctionDeclaration,
  GenerateContentRequest,
} from '@google/generative-ai';
import { defaultModels } from '../../domain/models.ts';
import type { ChatEvent, ChatMessage, ChatModel, ChatRequest } from '../chat-model.ts';
import { brokenProtocol, connectionFailure, httpFailure, retryAfterOf } from '../failures.ts';
import { type Patience, patiently } from '../patience.ts';
import { connectGemini, geminiFailure, geminiName as name, type GeminiOptions } from './client.ts';

/** Thinking would eat the few tokens that an answer has; these models can do without. */
const canSkipThinking = /^gemini-2\.5-flash/;
const refusals = new Set([
  'SAFETY',
  'RECITATION',
  'LANGUAGE',
  'BLOCKLIST',
  'PROHIBITED_CONTENT',
  'SPII',
  'IMAGE_SAFETY',
]);

export function createGeminiChat(options: GeminiOptions & { patience: Patience }): ChatModel {
  const { patience, baseUrl, apiKey } = options;
  const client = connectGemini(options);

  async function* stream(request: ChatRequest): AsyncGenerator<ChatEvent> {
    const { model, signal } = request;
    const parts = patiently(
      name,
      { signal, patience, failure: (error) => geminiFailure(error, model) },
      async (ended) => {
        const generative = client.getGenerativeModel({ model }, { baseUrl });
        const { stream, response } = await generative.generateContentStream(bodyOf(request), {
          signal: ended,
        });
        // The same stream as one promise, which rejects as well.
        response.catch(() => {});
        return stream;
      },
      ({ candidates, promptFeedback }) => Boolean(candidates?.length || promptFeedback),
    );
    const usage = { promptTokens: 0, completionTokens: 0 };
    let finished: string | undefined;
    let calls = 0;
    for await (const part of parts) {
      usage.promptTokens = part.usageMetadata?.promptTokenCount ?? usage.promptTokens;
      usage.completionTokens = part.usageMetadata?.candidatesTokenCount ?? usage.completionTokens;
      const blocked = part.promptFeedback?.blockReason;
      if (blocked) finished = `blocked: ${blocked}`;
      const candidate = part.candidates?.[0];
      for (const { text, functionCall } of spoken(candidate)) {
        if (text) yield { type: 'text', text };
        if (functionCall) {
          calls += 1;
          const given = functionCall.args as Record<string, unknown> | undefined;
          yield { type: 'tool_call', id: `call_${calls}`, name: functionCall.name, arguments: given ?? {} };
        }
      }
      finished ??= candidate?.finishReason;
    }
    if (signal.aborted) return;
    if (!finished) throw brokenProtocol(name, 'the answer broke off before its end.');
    if (finished.startsWith('blocked') || refusals.has(finished)) {
      yield { type: 'end', reason: 'refused', refusal: `the provider refused (${finished})`, usage };
    } else {
      yield { type: 'end', reason: finished === 'MAX_TOKENS' ? 'length' : 'stop', usage };
    }
  }

  return {
    name,
    defaultModel: defaultModels.gemini,
    stream,
    // The SDK has no call for it.
    async listModels(signal) {
      const response = await fetch(`${baseUrl}/v1beta/models?pageSize=1000`, {
        signal,
        headers: { 'x-goog-api-key': apiKey },
      }).catch((error: unknown) => {
        throw connectionFailure(name, error);
      });
      if (!response.ok) {
        await response.body?.cancel();
        const { status, headers } = response;
        // Google answers 400 where others answer 401.
        throw httpFailure(name, {
          status: status === 400 ? 401 : status,
          retryAfterMs: retryAfterOf(headers),
          cause: undefined,
        });
      }
      const { models = [] } = (await response.json().catch((error: unknown) => {
        throw connectionFailure(name, error);
      })) as { models?: { name: string; supportedGenerationMethods?: string[] }[] };
      return models
        .filter(({ supportedGenerationMethods: methods }) => methods?.includes('generateContent'))
        .map((model) => model.name.replace(/^models\//, ''))
        .sort();
    },
  };
}

type Candidate = NonNullable<EnhancedGenerateContentResponse['candidates']>[number];

/** Parts without the model's thoughts, which newer models may send beside the answer. */
function spoken(candidate: Candidate | undefined) {
  return (candidate?.content?.parts ?? []).filter((part) => !(part as { thought?: boolean }).thought);
}

function contentsOf(message: ChatMessage): Content[] {
  if (message.role === 'system') return [];
  if (message.role !== 'tool') {
    return [{ role: message.role === 'user' ? 'user' : 'model', parts: [{ text: message.text }] }];
  }
  const { name: tool, arguments: args } = message.call;
  return [
    { role: 'model', parts: [{ functionCall: { name: tool, args } }] },
    { role: 'function', parts: [{ functionResponse: { name: tool, response: { result: message.result } } }] },
  ];
}

function bodyOf(request: ChatRequest): GenerateContentRequest {
  const { model, messages, temperature, maxOutputTokens, tools } = request;
  const system = messages.flatMap((message) => (message.role === 'system' ? [message.text] : []));
  const contents = messages.flatMap(contentsOf);
  const thinking = canSkipThinking.test(model) ? { thinkingConfig: { thinkingBudget: 0 } } : {};
  return {
    contents,
    generationConfig: { temperature, maxOutputTokens, ...thinking },
    ...(system.length > 0
      ? { systemInstruction: { role: 'system', parts: [{ text: system.join('\n\n') }] } }
      : {}),
    ...(tools.length > 0
      ? {
          tools: [
            { functionDeclarations: tools.map((tool) => ({ ...tool }) as unknown as FunctionDeclaration) },
          ],
        }
      : {}),
  };
}
