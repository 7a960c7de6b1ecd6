import { z } from 'zod';
import { type DocumentRecord, isUnfinished } from '../domain/ingestion.ts';
import { documentStatus } from './schemas.ts';

/** A document on the wire. */
export const documentView = z.object({
  id: z.string(),
  title: z.string(),
  source: z.string(),
  metadata: z.record(z.string(), z.unknown()),
  enabled: z.boolean().describe('False: it stays indexed and answers nothing'),
  batchId: z.string().nullable(),
  duplicateOf: z.string().nullable().describe('The oldest document with the same content'),
  version: z.int().describe('The latest version, which the status is of'),
  currentVersion: z.int().nullable().describe('The version that answers'),
  status: documentStatus,
  progress: z
    .object({
      step: z.enum(['parsing', 'chunking', 'embedding', 'indexing', 'publishing']),
      done: z.int(),
      total: z.int().nullable(),
      ratePerSecond: z.number().nullable().describe('Chunks, since the step began'),
      paused: z.boolean(),
      waitingUntil: z.date().nullable().describe('When a step that failed is tried again'),
      problem: z.string().nullable().describe('Why it waits'),
    })
    .nullable(),
  chunks: z.int(),
  mimeType: z.string(),
  filename: z.string().nullable(),
  sizeBytes: z.int(),
  language: z.string().nullable().describe('ISO 639-1; null where the text is too short to tell'),
  pages: z.int().nullable(),
  error: z
    .object({ code: z.string(), message: z.string().nullable(), step: z.string().nullable() })
    .nullable(),
  createdAt: z.date(),
  updatedAt: z.date(),
});

export type DocumentView = z.infer<typeof documentView>;

export function viewOf(document: DocumentRecord): DocumentView {
  const {
    errorCode,
    errorMessage,
    doneChunks,
    totalChunks,
    step,
    stepSince,
    paused,
    waitingUntil,
    run: _run,
    ...rest
  } = document;
  return {
    ...rest,
    progress:
      step === null || !isUnfinished(document.status)
        ? null
        : {
            step,
            done: doneChunks,
            total: totalChunks,
            ratePerSecond: rateOf(document),
            paused,
            waitingUntil,
            problem: errorMessage,
          },
    chunks: document.status === 'ready' ? (totalChunks ?? 0) : 0,
    error: errorCode === null ? null : { code: errorCode, message: errorMessage, step },
  };
}

function rateOf({ stepSince, updatedAt, doneChunks }: DocumentRecord): number | null {
  const milliseconds = stepSince ? updatedAt.getTime() - stepSince.getTime() : 0;
  if (milliseconds < 1_000 || doneChunks === 0) return null;
  return Math.round((doneChunks / milliseconds) * 10_000) / 10;
}
