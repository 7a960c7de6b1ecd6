// What retrieval needs of an embedding model, whoever runs it.
export type EmbeddingPurpose = 'query' | 'document';

export interface EmbeddingProvider {
  /** Names the vector space together with `dimensions`: vectors of different models are never compared. */
  readonly model: string;
  readonly dimensions: number;
  /**
   * Returns one vector of L2 norm 1 for each text, in order.
   * `query` texts go before `document` texts that wait in the same process, so that bulk work never delays a visitor.
   * Rejects with the signal's reason when it is aborted.
   */
  embed(
    texts: readonly string[],
    options: { purpose: EmbeddingPurpose; signal?: AbortSignal },
  ): Promise<Float32Array[]>;
  close(): Promise<void>;
}
