// Calls as a careful client makes them: again, at another API, until one is answered.
import { setTimeout as sleep } from 'node:timers/promises';
import { count, type Ledger } from './ledger.ts';
import type { Random } from '../support/random.ts';

export interface Caller {
  apiUrls: readonly string[];
  apiKey: string;
  ledger: Ledger;
  random: Random;
}

/** The call may be made again: nobody answered, or with a 5xx. */
export class TryAgain extends Error {
  readonly afterMs: number | undefined;

  constructor(name: string, afterMs?: number) {
    super(name);
    this.afterMs = afterMs;
  }
}

/** No call is waited for longer; POST /chat answers within its own limit, which is below. */
const callLimitMs = 120_000;
/** Nor is one repeated longer than this. Far above every deadline of the product. */
export const patienceMs = 240_000;

export interface Reply {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: replies of any shape
  json: any;
}

/** One call to one of the APIs. Throws TryAgain when there is no usable answer. */
export async function send(
  { apiUrls, apiKey, ledger, random }: Caller,
  request: {
    method: string;
    path: string;
    body?: unknown;
    idempotencyKey?: string | undefined;
    headers?: Record<string, string>;
  },
): Promise<Response> {
  const { method, path, body, idempotencyKey, headers } = request;
  try {
    const response = await fetch(random.pick(apiUrls) + path, {
      method,
      headers: {
        'x-api-key': apiKey,
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(callLimitMs),
    });
    return response;
  } catch (error) {
    throw noted(ledger, error);
  }
}

/** Reads the body to its end. A 5xx other than a recorded failure becomes TryAgain. */
export async function replyOf(ledger: Ledger, response: Response): Promise<Reply> {
  let reply: Reply;
  try {
    reply = { status: response.status, json: await response.json() };
  } catch (error) {
    throw noted(ledger, error);
  }
  if (reply.status < 400) return reply;
  count(ledger.errors, `${reply.status} ${reply.json.code}`);
  if (reply.status >= 500 && reply.json.code !== 'TURN_FAILED') {
    throw new TryAgain(reply.json.code, Number(response.headers.get('retry-after')) * 1000 || undefined);
  }
  return reply;
}

/** One call that must be answered with a 2xx. Throws TryAgain, or an Error that says how it was refused. */
export async function accepted(caller: Caller, request: Parameters<typeof send>[1]): Promise<Reply> {
  const reply = await replyOf(caller.ledger, await send(caller, request));
  const { status, json } = reply;
  if (status < 300) return reply;
  throw new Error(`${request.method} ${request.path} was refused: ${status} ${json.code}: ${json.message}`);
}

/** A broken connection as TryAgain, counted. */
export function noted(ledger: Ledger, error: unknown): TryAgain {
  const { cause, name } = error as Error & { cause?: { code?: string; name?: string } };
  const what = name === 'TimeoutError' ? `no answer within ${callLimitMs / 1000} s` : undefined;
  const reason = what ?? cause?.code ?? cause?.name ?? name;
  count(ledger.errors, reason);
  return new TryAgain(reason);
}

/** Repeats `attempt` while it throws TryAgain. Throws an Error when patience runs out. */
export async function persist<T>(attempt: () => Promise<T>): Promise<T> {
  const end = Date.now() + patienceMs;
  for (let pause = 100; ; pause = Math.min(pause * 2, 2_000)) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof TryAgain)) throw error;
      if (Date.now() > end) throw new Error(`gave up after ${patienceMs / 1000} s: ${error.message}`);
      await sleep(error.afterMs ?? pause);
    }
  }
}
