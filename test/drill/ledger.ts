// What clients were promised and shown, as they saw it themselves. The verdict compares it with the record.
import type { LiveWay } from './live.ts';

export type Outcome =
  | { status: 'answered' | 'declined' | 'cancelled'; reply: string }
  | { status: 'failed'; code: string; reason: string };

export interface Question {
  /** No two questions of a drill are the same text. */
  text: string;
  /** Repeated under one Idempotency-Key until there is an outcome; else asked once. */
  repeated: boolean;
  way: 'wait' | LiveWay;
  askedAt: number;
  endedAt: number | undefined;
  calls: number;
  /** Turns that a 2xx, a `start` line or a TURN_FAILED named. */
  turnIds: Set<string>;
  conversationId: string | undefined;
  outcomes: Outcome[];
  /** An answer that a client must never get, or that it gave up. */
  complaint: string | undefined;
}

export interface UploadedDocument {
  title: string;
  /** Of the last version that was accepted. */
  content: string;
  /** From 1; each new content is another. */
  versions: number;
  uploadedAt: number;
  documentIds: Set<string>;
  /** `wanted` while the client is still trying. */
  deletion: 'none' | 'wanted' | 'accepted';
  complaint: string | undefined;
}

/** A visitor who says who they are. */
export interface Contact {
  address: string;
  name: string;
  /** Once a 200 named it. */
  sessionId: string | undefined;
  /** The code was accepted. */
  verified: boolean;
  complaint: string | undefined;
}

/** A site that is crawled, changed, and crawled again. */
export interface CrawledSite {
  url: string;
  /** What each page says now, by its address. */
  pages: Map<string, string>;
  sourceId: string | undefined;
  /** Crawls that were accepted and have ended. */
  crawls: number;
  complaint: string | undefined;
}

export interface Ledger {
  questions: Question[];
  documents: UploadedDocument[];
  contacts: Contact[];
  sites: CrawledSite[];
  /** How often clients saw each error: code or cause → count. */
  errors: Map<string, number>;
}

export function createLedger(): Ledger {
  return { questions: [], documents: [], contacts: [], sites: [], errors: new Map() };
}

export function count(errors: Map<string, number>, name: string): void {
  errors.set(name, (errors.get(name) ?? 0) + 1);
}
