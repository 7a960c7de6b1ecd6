// What retrieval needs of a model that reads a question beside each text, whoever runs it.
export interface Reranker {
  readonly name: string;
  readonly model: string;
  /** How many of a search's best it is given: each costs time or money. */
  readonly candidates: number;
  /** 0 to 1: how much its scores count in the order; the rest is the fused score. */
  readonly weight: number;
  /**
   * How well each text answers the question, in the order of the texts: the higher the better, 0 to 1 where `weight` is
   * below 1 and where an API keeps to that. Throws ProviderError; rejects with the
   * signal's reason when it is aborted.
   */
  rerank(question: string, texts: readonly string[], signal: AbortSignal): Promise<number[]>;
}
