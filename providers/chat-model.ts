// A language model as its vendor offers it: messages in, text out. What makes an answer of it is in grounded.ts.
import type { Usage } from '../domain/usage.ts';
import type { ToolCall, ToolDefinition } from './generation.ts';

export type ChatMessage =
  | { role: 'system' | 'user' | 'assistant'; text: string }
  /** What the model asked for, and what came of it. */
  | { role: 'tool'; call: ToolCall; result: string };

export interface ChatRequest {
  model: string;
  /** A system message, where there is one, comes first. */
  messages: readonly ChatMessage[];
  temperature: number;
  maxOutputTokens: number;
  tools: readonly ToolDefinition[];
  signal: AbortSignal;
}

/** A stream is any number of `text`s and `tool_call`s, then exactly one `end`. */
export type ChatEvent =
  | { type: 'text'; text: string }
  | ({ type: 'tool_call' } & ToolCall)
  /** `refused`: the model or its vendor's filter would not answer; `reason` says so. `length`: cut at the limit. */
  | { type: 'end'; reason: 'stop' | 'length' | 'refused'; refusal?: string; usage: Usage };

export interface ChatModel {
  readonly name: string;
  readonly defaultModel: string;
  /** Throws ProviderError; stops quietly when the signal is aborted. */
  stream(request: ChatRequest): AsyncIterable<ChatEvent>;
  /** Ids of the models that the account can use, sorted. Throws ProviderError. */
  listModels(signal: AbortSignal): Promise<string[]>;
}
