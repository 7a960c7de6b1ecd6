// A chat turn: one question and its one recorded outcome.
import { z } from 'zod';

export type TurnStatus = 'queued' | 'running' | 'answered' | 'declined' | 'cancelled' | 'failed';
export const isTerminal = (status: TurnStatus): boolean => status !== 'queued' && status !== 'running';

/** A part of a document that an answer rests on. `quote` stands verbatim in the document. */
export interface Source {
  documentId: string;
  title: string;
  /** The path of headings above the quote, joined with " › "; empty where the document has none. */
  heading: string;
  /** From 1; absent where the document has no pages. */
  page?: number;
  quote: string;
  /** Fused retrieval score, 0 to 1. */
  score: number;
}

/** A document that came near an unanswered question. */
export interface ClosestDocument {
  documentId: string;
  title: string;
}

/** How somebody of the business can be reached where the documents did not answer: by leaving an address, or by mail. */
export type PersonOffer = { type: 'lead' } | { type: 'email'; email: string };

/** What a visitor thought of an answer. */
export interface Feedback {
  rating: 'up' | 'down';
  text: string | null;
}

export interface Turn {
  id: string;
  conversationId: string;
  status: TurnStatus;
  question: string;
  reply: string | null;
  sources: Source[];
  closest: ClosestDocument[];
  /** As the project offers it now; null for what was answered. */
  offer: PersonOffer | null;
  confidence: number | null;
  promptTokens: number;
  completionTokens: number;
  errorCode: string | null;
  errorMessage: string | null;
  attempt: number | null;
  feedback: Feedback | null;
  createdAt: Date;
  finishedAt: Date | null;
}

/**
 * What a reader of a turn sees while it runs. A retry begins a new attempt with `reset`: readers drop the old text.
 * `start`, `done` and `error` are derived from the turn's row, the others are disposable.
 */
export type Frame =
  | { turnId: string; attempt: number; seq: number; type: 'start'; conversationId: string }
  | { turnId: string; attempt: number; seq: number; type: 'reset' }
  | { turnId: string; attempt: number; seq: number; type: 'token'; text: string }
  | { turnId: string; attempt: number; seq: number; type: 'sources'; sources: Source[] }
  /** The model uses a tool: an e-mail to the business is on its way. Only in the assistants proxy's threads. */
  | { turnId: string; attempt: number; seq: number; type: 'tool' }
  | {
      turnId: string;
      attempt: number;
      seq: number;
      type: 'done';
      status: 'answered' | 'declined' | 'cancelled';
      reply: string;
      sources: Source[];
      closest: ClosestDocument[];
      /** Absent where there is none. */
      offer?: PersonOffer;
    }
  | { turnId: string; attempt: number; seq: number; type: 'error'; code: string; message: string };

/** Where a frame stands in its turn: what a reader has seen up to. */
export interface FramePosition {
  attempt: number;
  seq: number;
}

export const beginning: FramePosition = { attempt: 0, seq: -1 };
/** The last frame's `seq`, above every live frame's. */
const lastSeq = 1_000_000;
export const isLast = ({ seq }: FramePosition): boolean => seq >= lastSeq;

/** A position on the wire, as in `1.17`. */
export const positionText = ({ attempt, seq }: FramePosition): string => `${attempt}.${seq}`;

/** Undefined for a text that is no position. */
export function parsePosition(text: string): FramePosition | undefined {
  const [, attempt, seq] = /^(\d{1,7})\.(\d{1,7})$/.exec(text) ?? [];
  return attempt === undefined ? undefined : { attempt: Number(attempt), seq: Number(seq) };
}

/** The frame that ends every stream, made from the recorded outcome. */
export function terminalFrame(turn: Turn): Frame {
  const position = { turnId: turn.id, attempt: turn.attempt ?? 0, seq: lastSeq };
  if (turn.status === 'failed') {
    return {
      ...position,
      type: 'error',
      code: turn.errorCode ?? 'TURN_FAILED',
      message: turn.errorMessage ?? 'The question could not be answered.',
    };
  }
  if (turn.status === 'queued' || turn.status === 'running')
    throw new Error(`turn ${turn.id} is ${turn.status}`);
  return {
    ...position,
    type: 'done',
    status: turn.status,
    reply: turn.reply ?? '',
    sources: turn.sources,
    closest: turn.closest,
    ...(turn.offer ? { offer: turn.offer } : {}),
  };
}

/** Ends the streams of a turn that was removed while they followed it. */
export const removedFrame = (turnId: string): Frame => ({
  turnId,
  attempt: 0,
  seq: lastSeq,
  type: 'error',
  code: 'TURN_NOT_FOUND',
  message: 'This question was removed.',
});

/** What the workflow carries from retrieval to generation: ids and scores, never text. */
export interface RankedChunk {
  chunkId: string;
  score: number;
}

/** How many chunks a turn's model is shown. */
export const passagesPerTurn = 8;
export const maxMessageLength = 8_000;
export const maxFeedbackLength = 2_000;

/** Where the visitor is. The page tells it, so it is a hint: it may help to find something, and opens nothing. */
export const pageHint = z.object({
  url: z
    .url({ protocol: /^https?$/ })
    .max(2_000)
    .optional(),
  title: z.string().trim().max(300).optional(),
});

export type PageHint = z.infer<typeof pageHint>;
