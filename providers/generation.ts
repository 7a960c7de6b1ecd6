// What a chat turn needs of a model, whoever runs it. The extractive answerer (providers/local) is one of them.

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

export interface GenerationRequest {
  question: string;
  /** Best first. */
  passages: readonly Passage[];
  settings: { model: string; temperature: number; maxOutputTokens: number; systemPrompt: string };
  signal: AbortSignal;
}

export interface Usage {
  promptTokens: number;
  completionTokens: number;
}

/** A quote that the answer rests on: a verbatim part of the passage's text. */
export interface Citation {
  chunkId: string;
  quote: string;
}

/** A stream is any number of `token`s, then exactly one `finish`. */
export type GenerationEvent =
  | { type: 'token'; text: string }
  | {
      type: 'finish';
      /** `declined`: the passages do not answer the question; no token came before it. */
      outcome: 'answered' | 'declined';
      citations: Citation[];
      /** 0 to 1: how sure the provider is that the passages answer the question; null where it cannot tell. */
      confidence: number | null;
      usage: Usage;
    };

export interface GenerationProvider {
  readonly name: string;
  /** Throws ProviderError (domain/errors.ts) when the provider fails; stops quietly when the signal is aborted. */
  generate(request: GenerationRequest): AsyncIterable<GenerationEvent>;
}
