// How a turn's passages were found: kept with the turn, so that a wrong answer can be explained later.

/** Where one leg placed a chunk, from 1, and with which raw score. Null where it did not find the chunk. */
export type LegPlace = { rank: number; score: number } | null;

export interface ExplainedChunk {
  chunkId: string;
  bm25: LegPlace;
  dense: LegPlace;
}

/** Who ordered the best of a search once more. */
export interface Reranking {
  provider: string;
  model: string;
  /** Why the search went on without it; null where it did not have to. */
  failure: string | null;
}

export interface RetrievalExplanation {
  /** What was searched for, where it is not the question itself. */
  query: string | null;
  /** How many chunks each leg found. */
  found: { bm25: number; dense: number };
  /** Null for a project without a reranker. */
  reranking: Reranking | null;
  /**
   * The best candidates, best first, with the fused score, 0 to 1, and the reranker's (null where it was not asked); the model
   * was shown the first `shown` of them.
   */
  candidates: (ExplainedChunk & { fused: number; rerank: number | null })[];
  shown: number;
  /** What was found and may not answer (no longer published): how many, and the best of them. */
  dropped: { count: number; chunks: ExplainedChunk[] };
}

/** How many candidates, and how many dropped ones, are kept with a turn. */
export const explainedCandidates = 12;

/** Rank and score of both legs, fused score: what is stored, because every turn has one. */
type Row = [chunkId: string, bm25Rank: number, bm25: number, denseRank: number, dense: number];
export interface StoredExplanation {
  query: string | null;
  found: [bm25: number, dense: number];
  shown: number;
  /** Absent where nothing was reranked, as the last number of each candidate is. */
  reranking?: Reranking;
  candidates: (readonly [...Row, fused: number, rerank?: number])[];
  dropped: [count: number, chunks: Row[]];
}

const short = (score: number) => Number(score.toPrecision(5));

export function packExplanation(explanation: RetrievalExplanation): StoredExplanation {
  const row = ({ chunkId, bm25, dense }: ExplainedChunk): Row => [
    chunkId,
    bm25?.rank ?? 0,
    short(bm25?.score ?? 0),
    dense?.rank ?? 0,
    short(dense?.score ?? 0),
  ];
  const { query, found, reranking, shown, candidates, dropped } = explanation;
  return {
    query,
    found: [found.bm25, found.dense],
    shown,
    ...(reranking ? { reranking } : {}),
    candidates: candidates.map((candidate) => {
      const fused = [...row(candidate), short(candidate.fused)] as const;
      return candidate.rerank === null ? fused : ([...fused, short(candidate.rerank)] as const);
    }),
    dropped: [dropped.count, dropped.chunks.map(row)],
  };
}

export function unpackExplanation(stored: StoredExplanation): RetrievalExplanation {
  const place = (rank: number, score: number): LegPlace => (rank === 0 ? null : { rank, score });
  const chunk = ([chunkId, bm25Rank, bm25, denseRank, dense]: readonly [
    ...Row,
    ...unknown[],
  ]): ExplainedChunk => ({
    chunkId,
    bm25: place(bm25Rank, bm25),
    dense: place(denseRank, dense),
  });
  const { query, shown } = stored;
  return {
    query,
    found: { bm25: stored.found[0], dense: stored.found[1] },
    shown,
    reranking: stored.reranking ?? null,
    candidates: stored.candidates.map((row) => ({ ...chunk(row), fused: row[5], rerank: row[6] ?? null })),
    dropped: { count: stored.dropped[0], chunks: stored.dropped[1].map(chunk) },
  };
}
