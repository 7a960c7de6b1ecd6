// What a chat turn needs of a model, whoever runs it. The extractive answerer (providers/local) is one of them; the
// others are language models behind providers/grounded.ts.
import type { PageHint } from '../domain/chat.ts';
import type { PromptSettings } from '../domain/prompt.ts';
import type { Usage } from '../domain/usage.ts';

/** A retrieved chunk as the model sees it. Offsets count UTF-16 units in the document's source text. */
export interface Passage {
  chunkId: string;
  documentId: string;
  title: string;
  headingPath: string[];
  text: string;
  startOffset: number;
  endOffset: number;
  /** The page that it begins on, from 1, where the document has pages. */
  page?: number | null;
}

/** An earlier turn of the conversation. */
export interface Exchange {
  question: string;
  reply: string;
}

/** A function that the model may ask for. `parameters` is a JSON Schema of an object. */
export interface ToolDefinition {
  name: string;
  description: string;
  parameters: Record<string, unknown>;
}

/** What the model asks for. `arguments` are as the model wrote them: check them before use. */
export interface ToolCall {
  id: string;
  name: string;
  arguments: Record<string, unknown>;
}

/** The tools of one turn, which runs what the model asked for and asks it again with the results. */
export interface ToolBox {
  definitions: readonly ToolDefinition[];
  /**
   * Checks the arguments itself, and does a thing once for a turn, whose model may be asked again. `result` is for the
   * model; `reply` answers the visitor where the model does not.
   */
  run(call: ToolCall): Promise<{ result: string; reply?: string }>;
}

export interface GenerationRequest {
  question: string;
  /** The question as it was searched for: whole, where the visitor's own leans on what was said before. */
  searched?: string | undefined;
  /** Best first. */
  passages: readonly Passage[];
  /** What was said before `history`. */
  summary?: string | undefined;
  /** Oldest first. */
  history?: readonly Exchange[];
  page?: PageHint | undefined;
  tools?: readonly ToolDefinition[];
  /** What the model asked for in this turn so far, and what came of it: the answer may rest on that too. */
  toolResults?: readonly { call: ToolCall; result: string }[];
  settings: GenerationSettings;
  signal: AbortSignal;
}

export interface GenerationSettings extends PromptSettings {
  model: string;
  temperature: number;
  maxOutputTokens: number;
  /** 0 to 1: an answer of which the provider is less sure is declined; null: the provider's own measure. */
  confidenceThreshold: number | null;
  /** Tokens that the model reads and writes together; null: the provider's usual. */
  contextWindow: number | null;
}

/** A quote that the answer rests on: a verbatim part of the passage's text. */
export interface Citation {
  chunkId: string;
  quote: string;
}

/** A stream is any number of `token`s and `tool_call`s, then exactly one `finish`. */
export type GenerationEvent =
  | { type: 'token'; text: string }
  | ({ type: 'tool_call' } & ToolCall)
  | {
      type: 'finish';
      /**
       * `declined`: the passages do not answer the question. Tokens may have come before it, where only the whole
       * answer showed that: they are to be taken back.
       */
      outcome: 'answered' | 'declined';
      citations: Citation[];
      /** 0 to 1: how sure the provider is that the passages answer the question; null where it cannot tell. */
      confidence: number | null;
      usage: Usage;
      /** Why the model itself would not answer, where it said so. */
      refusal?: string;
    };

export interface GenerationProvider {
  readonly name: string;
  /** The model that answers where the settings name none. */
  readonly defaultModel: string;
  /** Throws ProviderError (domain/errors.ts) when the provider fails; stops quietly when the signal is aborted. */
  generate(request: GenerationRequest): AsyncIterable<GenerationEvent>;
  /**
   * The question as it would be asked without the turns before it, for the search. Absent where the provider has no
   * language model: the rules of domain/follow-up.ts stand in. Throws ProviderError.
   */
  rewrite?(request: RewriteRequest): Promise<Written>;
  /**
   * What a stretch of a conversation came to, in few words. Absent where the provider has no language model: the rules of
   * domain/summaries.ts stand in. Throws ProviderError.
   */
  summarise?(request: SummaryRequest): Promise<Written>;
}

/** A text that a model wrote for us, and not for a visitor. Empty where it wrote nothing of use. */
export interface Written {
  text: string;
  usage: Usage;
}

export interface SummaryRequest {
  /** The summary of what came before the turns. */
  before: string | null;
  /** Oldest first. */
  turns: readonly Exchange[];
  model: string;
  signal: AbortSignal;
}

export interface RewriteRequest {
  question: string;
  summary?: string | undefined;
  history: readonly Exchange[];
  page?: PageHint | undefined;
  model: string;
  signal: AbortSignal;
}
