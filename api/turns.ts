// What the routes, the socket and the foreign clients have in common: taking a question in, waiting for its answer,
// finding a turn, stopping it.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { effectiveScopes } from '../domain/auth.ts';
import { type Frame, isTerminal, maxMessageLength, type Turn } from '../domain/chat.ts';
import { chatWait } from '../domain/deadlines.ts';
import { AppError } from '../domain/errors.ts';
import { turnWorkflowId } from '../domain/flows.ts';
import type { Visitor } from '../domain/visitor-logins.ts';
import { isUuid } from '../stores/postgres/client.ts';
import type { Idempotency } from '../stores/postgres/idempotency.ts';
import type { AcceptedTurn, NewTurn } from '../stores/postgres/turn-acceptance.ts';
import type { AppDependencies } from './app.ts';
import { hashOf, takeOrRefuse } from './plugins/rate-limits.ts';
import { closestDocument, personOffer, source, turnStatus } from './schemas.ts';
import { followTurn } from './turn-frames.ts';
import { tokenOf, visitorOf } from './visitor-identity.ts';

export const messageText = z.string().trim().min(1, 'must not be empty').max(maxMessageLength);
/** A name that a client chose for its conversation. */
export const sessionName = z.string().min(1).max(200);

/** Who asks: a request that was admitted, also the one that opened a socket. */
export type Caller = Pick<FastifyRequest, 'projectId' | 'apiKey' | 'user' | 'headers' | 'log'>;

/** Whether the caller may see all conversations of the project: never with a key from a page. */
export const seesConversations = ({ apiKey, user, headers }: Caller): boolean =>
  user !== undefined ||
  (apiKey !== undefined && effectiveScopes(apiKey, headers.origin !== undefined).includes('conversations'));

/**
 * Who asks: as `visitorOf` says, for every client alike. A server that asks for its project is no visitor. Throws
 * VISITOR_LOGIN_REQUIRED.
 */
export async function admitVisitor(
  deps: Pick<AppDependencies, 'stores'>,
  caller: Caller,
  token: string | undefined = tokenOf(caller),
): Promise<Visitor | undefined> {
  if (token === undefined && seesConversations(caller)) return undefined;
  return await visitorOf(deps, caller.projectId, token);
}

/**
 * Takes a question in: the one way for all clients, so that where visitors sign in first none of them leads past it.
 * `token` says who asks where the caller's headers do not.
 */
export async function acceptTurn(
  deps: AppDependencies,
  caller: Caller,
  turn: NewTurn,
  idempotency: Idempotency | undefined,
  token?: string,
): Promise<AcceptedTurn & { visitor: Visitor | undefined }> {
  const { projectId, log } = caller;
  const visitor = await admitVisitor(deps, caller, token);
  await countMessage(deps, projectId, turn.conversation);
  const accepted = await deps.stores.turns.accept(projectId, turn, idempotency);
  const { turnId, conversationId } = accepted;
  const workflowId = turnWorkflowId(turnId);
  const messageLength = 'message' in turn ? turn.message.length : undefined;
  log.info({ projectId, conversationId, turnId, workflowId, messageLength }, 'turn accepted');
  if (accepted.dispatch) deps.dispatcher.startSoon(accepted.dispatch);
  if (visitor) await deps.stores.widgetConversations.noteVisitor(projectId, conversationId, visitor);
  return { ...accepted, visitor };
}

/** Counts a message of a conversation that goes on. Throws RATE_LIMIT_EXCEEDED. */
async function countMessage(
  { stores, settings }: AppDependencies,
  projectId: string,
  conversation: NewTurn['conversation'],
): Promise<void> {
  if (conversation === 'new' || 'repeats' in conversation) return;
  const { sessionRequests: points, windowMs } = settings.rateLimits;
  const session = 'id' in conversation ? conversation.id : conversation.sessionId;
  await takeOrRefuse(stores.limits, { name: 'session', points, windowMs }, hashOf(projectId, session));
}

export const followAccepted = (
  deps: AppDependencies,
  { projectId }: Caller,
  { turnId, conversationId }: AcceptedTurn,
  signal: AbortSignal,
): AsyncGenerator<Frame> => followTurn(deps, { projectId, turnId, conversationId }, signal);

/** Waits until the turn is recorded. Throws TURN_FAILED or TURN_CANCELLED with the turn's id where there is no answer. */
export async function recordedTurn(
  deps: AppDependencies,
  caller: Caller,
  accepted: AcceptedTurn,
  gone: AbortSignal,
): Promise<Turn> {
  const { turnId } = accepted;
  const signal = AbortSignal.any([gone, AbortSignal.timeout(chatWait)]);
  for await (const _ of followAccepted(deps, caller, accepted, signal));
  const turn = await deps.stores.turns.get(caller.projectId, turnId);
  if (!turn || !isTerminal(turn.status)) {
    const message = 'The answer takes longer than expected; it will still be recorded under this turn.';
    throw new AppError('TURN_FAILED', { message, details: { turnId } });
  }
  if (turn.status === 'failed') {
    if (turn.errorCode === 'TOKEN_LIMIT_EXCEEDED') {
      const message = turn.errorMessage ?? undefined;
      throw new AppError(turn.errorCode, { ...(message ? { message } : {}), details: { turnId } });
    }
    const reason = turn.errorMessage ?? 'unknown';
    throw new AppError('TURN_FAILED', { details: { turnId, code: turn.errorCode, reason } });
  }
  if (turn.status === 'cancelled') throw new AppError('TURN_CANCELLED', { details: { turnId } });
  return turn;
}

/**
 * A turn that the caller may see: who sees all conversations any of the project's, else one whose conversation it
 * names, because a key in a page is no secret and the two ids are. Throws CONVERSATION_ID_REQUIRED and TURN_NOT_FOUND.
 */
export async function visibleTurn(
  deps: Pick<AppDependencies, 'stores'>,
  caller: Caller,
  turnId: string,
  conversationId: string | undefined,
): Promise<Turn> {
  if (conversationId === undefined && !seesConversations(caller)) {
    throw new AppError('CONVERSATION_ID_REQUIRED');
  }
  const turn = isUuid(turnId) ? await deps.stores.turns.get(caller.projectId, turnId) : undefined;
  if (!turn || (conversationId !== undefined && conversationId.toLowerCase() !== turn.conversationId)) {
    throw new AppError('TURN_NOT_FOUND');
  }
  return turn;
}

/**
 * The stop button. A queued turn is cancelled when this returns; a running one has been told, keeps what it has said
 * and is recorded by its workflow; one that has ended stays as it is. Throws SERVICE_UNAVAILABLE without Temporal.
 */
export async function cancelTurn(
  { stores, dispatcher }: AppDependencies,
  { projectId, log }: Caller,
  turn: Pick<Turn, 'id' | 'status'>,
): Promise<void> {
  const recorded = async (end: typeof stores.turns.recordCancelled) => {
    const { status, next } = await end(projectId, turn.id);
    if (next) dispatcher.startSoon(next);
    stores.frames.notify(turn.id).catch((error: unknown) => {
      log.warn({ err: error, turnId: turn.id }, 'readers were not notified');
    });
    return status;
  };
  let { status } = turn;
  if (status === 'queued') status = await recorded(stores.turns.cancelQueued);
  if (status !== 'running') return;
  const told = await dispatcher.cancel(turnWorkflowId(turn.id)).catch((error: unknown) => {
    throw new AppError('SERVICE_UNAVAILABLE', { cause: error, details: { retryAfterSeconds: 2 } });
  });
  // Not started yet: when it is, it finds the turn recorded and ends. Or terminated: nobody else records it soon.
  if (!told) await recorded(stores.turns.recordCancelled);
}

export const usage = z.object({
  promptTokens: z.number(),
  completionTokens: z.number(),
  totalTokens: z.number(),
});

/** A turn on the wire. */
export const turnSchema = z.object({
  turnId: z.string(),
  conversationId: z.string(),
  status: turnStatus,
  message: z.string(),
  reply: z.string().nullable(),
  sources: z.array(source),
  closest: z.array(closestDocument),
  offer: personOffer.optional(),
  confidence: z.number().nullable(),
  usage,
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  feedback: z.object({ rating: z.enum(['up', 'down']), text: z.string().nullable() }).nullable(),
  createdAt: z.string(),
  finishedAt: z.string().nullable(),
});

export function turnView(turn: Turn): z.infer<typeof turnSchema> {
  const { promptTokens, completionTokens, errorCode, errorMessage } = turn;
  return {
    turnId: turn.id,
    conversationId: turn.conversationId,
    status: turn.status,
    message: turn.question,
    reply: turn.reply,
    sources: turn.sources,
    closest: turn.closest,
    ...(turn.offer ? { offer: turn.offer } : {}),
    confidence: turn.confidence,
    usage: usageOf({ promptTokens, completionTokens }),
    error: errorCode === null ? null : { code: errorCode, message: errorMessage ?? '' },
    feedback: turn.feedback,
    createdAt: turn.createdAt.toISOString(),
    finishedAt: turn.finishedAt?.toISOString() ?? null,
  };
}

export const usageOf = ({
  promptTokens,
  completionTokens,
}: Pick<Turn, 'promptTokens' | 'completionTokens'>) => ({
  promptTokens,
  completionTokens,
  totalTokens: promptTokens + completionTokens,
});
