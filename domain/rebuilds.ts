// Moving a project with its documents to another embedding model.
import type { EmbeddingModel } from './models.ts';

export const rebuildStatuses = [
  'queued',
  'filling',
  'comparing',
  'switched',
  'rolling_back',
  'done',
  'rolled_back',
  'kept',
  'cancelled',
  'failed',
] as const;
export type RebuildStatus = (typeof rebuildStatuses)[number];

/** How a rebuild can end: with the new model, or with the one from before. */
export type RebuildEnd = Extract<RebuildStatus, 'done' | 'rolled_back' | 'kept' | 'cancelled' | 'failed'>;

export const isBeforeSwitch = (status: RebuildStatus): boolean =>
  status === 'queued' || status === 'filling' || status === 'comparing';

export interface IndexRebuild {
  id: string;
  number: number;
  status: RebuildStatus;
  fromModel: EmbeddingModel;
  toModel: EmbeddingModel;
  /** Null where it is switched without a comparison. */
  tolerance: number | null;
  doneDocuments: number;
  totalDocuments: number | null;
  evaluationBefore: string | null;
  evaluationAfter: string | null;
  recallBefore: number | null;
  recallAfter: number | null;
  waitingUntil: Date | null;
  /** Why it waits, or how it ended. */
  message: string | null;
  rollbackUntil: Date | null;
  createdAt: Date;
  switchedAt: Date | null;
  finishedAt: Date | null;
}

/** Names an embedding space: vectors of different models or sizes are never compared. */
export const spaceNameOf = ({ model, dimensions }: Pick<EmbeddingModel, 'model' | 'dimensions'>): string =>
  `${model} ${dimensions}`;
