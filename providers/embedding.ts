// What retrieval needs of an embedding model, whoever runs it.
export type EmbeddingPurpose = 'query' | 'document';

export interface EmbeddingPace {
  provider: string;
  /** Tells the keys apart without naming them. */
  key: string;
  /** Milliseconds between two calls. */
  everyMs: number;
}

export interface EmbeddingProvider {
  /** Names the vector space together with `dimensions`: vectors of different models are never compared. */
  readonly model: string;
  readonly dimensions: number;
  /** How often documents may be embedded: callers of one key share its slots. Absent where nobody limits calls. */
  readonly pace?: EmbeddingPace | undefined;
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
