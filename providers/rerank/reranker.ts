// What retrieval needs of a model that reads a question beside each text, whoever runs it.
export interface Reranker {
  readonly name: string;
  readonly model: string;
  /** How many of a search's best it is given: each costs time or money. */
  readonly candidates: number;
  /**
   * How well each text answers the question, in the order of the texts: the higher the better, mostly 0 to 1. Throws ProviderError; rejects with the
   * signal's reason when it is aborted.
   */
  rerank(question: string, texts: readonly string[], signal: AbortSignal): Promise<number[]>;
}
