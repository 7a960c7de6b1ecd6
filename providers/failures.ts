// What a model's vendor answers when it does not answer, in our words. Vendors' own messages stay out: they may repeat
// the prompt or the key, and what is thrown here ends in histories and on records.
import { ProviderError, type ProviderErrorKind } from '../domain/errors.ts';
import { outboundErrorIn } from '../outbound/outbound-error.ts';

/** An account without money will not have some in a second; a document can wait, a visitor cannot. */
const emptyAccountPause = 10 * 60 * 1000;

export interface HttpFailure {
  status: number;
  /** The vendor's short name of the failure, if it gave one. */
  code?: string | null | undefined;
  retryAfterMs?: number | undefined;
  model?: string;
  cause: unknown;
}

export function httpFailure(provider: string, failure: HttpFailure): ProviderError {
  const { status, retryAfterMs, cause } = failure;
  const code = /^[\w.-]{1,60}$/.test(failure.code ?? '') ? ` ${failure.code}` : '';
  const make = (
    kind: ProviderErrorKind,
    retryable: boolean,
    message: string,
    after: number | undefined = retryAfterMs,
  ) =>
    new ProviderError(provider, message, {
      kind,
      retryable,
      cause,
      ...(after === undefined ? {} : { retryAfterMs: after }),
    });
  if (status === 429 && /quota|billing|credit/i.test(code)) {
    const message = `the account has no quota left (${status}${code}). Look at its plan and billing.`;
    return make('rate_limited', true, message, retryAfterMs ?? emptyAccountPause);
  }
  if (status === 429) {
    const pause =
      retryAfterMs === undefined ? '' : `, and asks to be tried again in ${Math.ceil(retryAfterMs / 1000)} s`;
    return make('rate_limited', true, `limits how much it is asked (429)${pause}.`);
  }
  if (status === 401 || status === 403) {
    return make('credentials', false, `refuses the API key (${status}${code}).`);
  }
  if (status === 404) {
    const what = failure.model ? `the model "${failure.model}"` : 'this address';
    return make('request', false, `does not know ${what} (404${code}).`);
  }
  if (status >= 500 || status === 408 || status === 409 || status === 425) {
    return make('unavailable', true, `answered ${status}${code}.`);
  }
  return make('request', false, `refuses the request (${status}${code}).`);
}

/** What a connection that broke, an answer that makes no sense, and everything else unexpected is called. */
export function connectionFailure(provider: string, error: unknown): ProviderError {
  if (error instanceof SyntaxError) {
    const message = 'sent something that is not JSON.';
    return new ProviderError(provider, message, { retryable: true, kind: 'protocol', cause: error });
  }
  const outbound = outboundErrorIn(error);
  if (outbound) {
    const { message, retryable } = outbound;
    return new ProviderError(provider, message, {
      retryable,
      kind: retryable ? 'unavailable' : 'request',
      cause: error,
    });
  }
  // fetch wraps the reason: TypeError "terminated" or "fetch failed", caused by an error with a code.
  let code: unknown;
  for (let at: unknown = error; at instanceof Error && code === undefined; at = at.cause) {
    code = (at as { code?: unknown }).code;
  }
  const named = typeof code === 'string' && /^[\w.-]{1,60}$/.test(code) ? ` (${code})` : '';
  return new ProviderError(provider, `the connection failed${named}.`, { retryable: true, cause: error });
}

export function brokenProtocol(provider: string, message: string): ProviderError {
  return new ProviderError(provider, message, { retryable: true, kind: 'protocol' });
}

/** Milliseconds that a Retry-After header asks for: seconds or a date (RFC 9110), or OpenAI's milliseconds. */
export function retryAfterOf(headers: Headers | undefined, now = Date.now()): number | undefined {
  const exact = Number(headers?.get('retry-after-ms') || Number.NaN);
  if (exact >= 0) return exact;
  const value = headers?.get('retry-after')?.trim();
  if (!value) return undefined;
  const seconds = Number(value);
  if (seconds >= 0) return seconds * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
