// A document and its versions, on their way from accepted content to something that answers.

export type DocumentStatus = 'queued' | 'processing' | 'ready' | 'failed' | 'cancelled';
export type IngestionStep = 'chunking' | 'embedding' | 'indexing' | 'publishing';

/** A document as clients see it: the record and the state of its latest version. */
export interface DocumentRecord {
  id: string;
  title: string;
  source: string;
  metadata: Record<string, unknown>;
  version: number;
  currentVersion: number | null;
  status: DocumentStatus;
  step: IngestionStep | null;
  doneChunks: number;
  totalChunks: number | null;
  sizeBytes: number;
  errorCode: string | null;
  errorMessage: string | null;
  createdAt: Date;
  updatedAt: Date;
}

/** A title for content that came without one: its first heading, else its first words. At most 200 characters. */
export function titleOf(content: string): string {
  const heading = /^#{1,6}[ \t]+(\S[^\n]*)$/m.exec(content.slice(0, 10_000))?.[1];
  const line = heading ?? content.trimStart().slice(0, 300).split('\n', 1)[0] ?? '';
  const title = line.replace(/[\s#]+$/, '').trim();
  return title.length > 80 ? `${title.slice(0, 79).trimEnd()}…` : title;
}
