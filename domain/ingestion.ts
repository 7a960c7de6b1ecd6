// A document and its versions, on their way from accepted content to something that answers.

export type DocumentStatus = 'queued' | 'processing' | 'ready' | 'failed' | 'cancelled';
export type IngestionStep = 'parsing' | 'chunking' | 'embedding' | 'indexing' | 'publishing';

/** A document as clients see it: the record and the state of its latest version. */
export interface DocumentRecord {
  id: string;
  title: string;
  source: string;
  metadata: Record<string, unknown>;
  /** False where it was switched off: it stays indexed and answers nothing. */
  enabled: boolean;
  batchId: string | null;
  /** The oldest document of the project that has the same content, if there is one. */
  duplicateOf: string | null;
  version: number;
  /** The version that answers; null while none does. */
  currentVersion: number | null;
  /** Of the latest version, from 1: trying again after a failure is another run. */
  run: number;
  status: DocumentStatus;
  step: IngestionStep | null;
  doneChunks: number;
  totalChunks: number | null;
  paused: boolean;
  stepSince: Date | null;
  waitingUntil: Date | null;
  mimeType: string;
  filename: string | null;
  sizeBytes: number;
  /** ISO 639-1. */
  language: string | null;
  pages: number | null;
  errorCode: string | null;
  errorMessage: string | null;
  createdAt: Date;
  updatedAt: Date;
}

export const isUnfinished = (status: DocumentStatus): boolean =>
  status === 'queued' || status === 'processing';

/** How a version ends without answering. */
export interface IngestionEnd {
  status: 'failed' | 'cancelled';
  code: string;
  message: string;
}

/** A step that cannot go on before a moment (ISO 8601), and why. */
export interface Waiting {
  until: string;
  reason: string;
}

/** What the ingestion's workflow tells those who ask it. */
export interface IngestionProgress {
  step: IngestionStep;
  paused: boolean;
  chunks: number | null;
}

/** What can be told to a running ingestion. */
export type IngestionOrder = 'pause' | 'resume' | 'cancel';

/** A title for content that came without one: its first heading, else its first words. At most 200 characters. */
export function titleOf(content: string): string {
  const heading = /^#{1,6}[ \t]+(\S[^\n]*)$/m.exec(content.slice(0, 10_000))?.[1];
  const line = heading ?? content.trimStart().slice(0, 300).split('\n', 1)[0] ?? '';
  const title = line.replace(/[\s#]+$/, '').trim();
  return title.length > 80 ? `${title.slice(0, 79).trimEnd()}…` : title;
}
