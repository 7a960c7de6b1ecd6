import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError, type ErrorCode } from '../../domain/errors.ts';
import { networkOf, type RateLimit, type Taken } from '../../domain/limits.ts';
import type { LimitStore } from '../../stores/postgres/limits.ts';
import type { App } from '../app.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * A limit of the route's own, for each key or, on a public route, each address; 'none' for what costs nothing.
     * Without it the server's limits hold.
     */
    limit?: RateLimit | 'none';
  }
}

export interface RateLimitSettings {
  /** Calls of one key or user, or of one address without either. */
  requests: number;
  /** Chat calls that one visitor's browser makes with a key that stands in a page. */
  visitorRequests: number;
  /** Messages in one conversation or session. */
  sessionRequests: number;
  windowMs: number;
}

type Limits = Pick<LimitStore, 'take'>;

/** Counts every call once its credential is known. What has a limit of 'none' is not counted. */
export function rateLimits(app: App, limits: Limits, settings: RateLimitSettings): void {
  const { windowMs } = settings;
  const perKey: RateLimit = { name: 'key', points: settings.requests, windowMs };
  const perAddress: RateLimit = { name: 'address', points: settings.requests, windowMs };
  const perVisitor: RateLimit = { name: 'visitor', points: settings.visitorRequests, windowMs };

  app.addHook('onRequest', async (request, reply) => {
    const { limit, scope } = request.routeOptions.config;
    if (limit === 'none') return;
    const caller = request.apiKey?.id ?? request.user?.id;
    if (caller === undefined) {
      await takeFrom(limits, reply, limit ?? perAddress, hashOf(networkOf(request.ip)));
      return;
    }
    // One page must not use up what the site's other visitors need.
    const fromPage = scope === 'chat' && request.method === 'POST' && request.headers.origin !== undefined;
    const visitor = fromPage ? limits.take(perVisitor, hashOf(caller, networkOf(request.ip))) : undefined;
    const [ofKey, ofVisitor] = await Promise.all([limits.take(limit ?? perKey, caller), visitor]);
    report(reply, ofVisitor && ofVisitor.remaining < ofKey.remaining ? ofVisitor : ofKey);
    if (ofVisitor && !ofVisitor.allowed) throw refusal(ofVisitor);
    if (!ofKey.allowed) throw refusal(ofKey);
  });
}

const guesses: ReadonlySet<string> = new Set<ErrorCode>(['INVALID_API_KEY', 'INVALID_ACCESS_TOKEN']);

/**
 * Counts a call with an unknown key under its address, and turns the refusal into RATE_LIMIT_EXCEEDED when there are
 * too many. A known key works meanwhile: others may share the address. Returns what is to be shown.
 */
export async function limitGuesses(
  limits: Limits,
  settings: RateLimitSettings,
  failure: { error: unknown; request: FastifyRequest; reply: FastifyReply },
): Promise<unknown> {
  const { error, request, reply } = failure;
  if (!(error instanceof AppError) || !guesses.has(error.code)) return error;
  const { requests: points, windowMs } = settings;
  const id = hashOf(networkOf(request.ip));
  return await takeFrom(limits, reply, { name: 'address', points, windowMs }, id).then(
    () => error,
    // Where it cannot be counted, the call is refused as it was.
    (refused: unknown) => (refused instanceof AppError ? refused : error),
  );
}

/**
 * Counts a call under a limit of the caller's choice and reports it in the reply's headers.
 * Throws RATE_LIMIT_EXCEEDED.
 */
export async function takeFrom(
  limits: Limits,
  reply: FastifyReply,
  limit: RateLimit,
  id: string,
): Promise<void> {
  const taken = await limits.take(limit, id);
  report(reply, taken);
  if (!taken.allowed) throw refusal(taken);
}

/** The same where no reply reports it. */
export async function takeOrRefuse(limits: Limits, limit: RateLimit, id: string): Promise<void> {
  const taken = await limits.take(limit, id);
  if (!taken.allowed) throw refusal(taken);
}

/** Counts a message on a socket as the POST call that it stands for. Throws RATE_LIMIT_EXCEEDED. */
export async function countMessage(
  limits: Limits,
  { requests, visitorRequests, windowMs }: RateLimitSettings,
  { apiKey, headers, ip }: FastifyRequest,
): Promise<void> {
  if (!apiKey) return;
  const visitor = { name: 'visitor', points: visitorRequests, windowMs };
  await Promise.all([
    takeOrRefuse(limits, { name: 'key', points: requests, windowMs }, apiKey.id),
    headers.origin === undefined
      ? undefined
      : takeOrRefuse(limits, visitor, hashOf(apiKey.id, networkOf(ip))),
  ]);
}

const seconds = (ms: number) => Math.max(1, Math.ceil(ms / 1000));

/** The IETF draft's two fields, and the three of its earlier versions, which more clients read. */
function report(reply: FastifyReply, { limit, remaining, resetMs }: Taken): void {
  const reset = seconds(resetMs);
  reply.headers({
    'ratelimit-policy': `"${limit.name}";q=${limit.points};w=${seconds(limit.windowMs)}`,
    ratelimit: `"${limit.name}";r=${remaining};t=${reset}`,
    'ratelimit-limit': String(limit.points),
    'ratelimit-remaining': String(remaining),
    'ratelimit-reset': String(reset),
  });
}

function refusal({ limit, resetMs }: Taken): AppError {
  const retryAfterSeconds = seconds(resetMs);
  return new AppError('RATE_LIMIT_EXCEEDED', {
    message: `More than ${limit.points} calls in ${seconds(limit.windowMs)} s. Try again in ${retryAfterSeconds} s.`,
    details: { limit: limit.name, retryAfterSeconds },
  });
}

/** Addresses and what clients name are counted under hashes: neither stands in the table. */
export const hashOf = (...parts: string[]): string =>
  createHash('sha256').update(parts.join('\n')).digest('base64url').slice(0, 27);
