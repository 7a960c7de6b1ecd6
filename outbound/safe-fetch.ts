import type { LookupAddress } from 'node:dns';
import { lookup as systemLookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { Agent } from 'undici';
import { outbound as timing } from '../domain/deadlines.ts';
import { type AddressCheck, type AddressRange, createAddressCheck } from './addresses.ts';
import { OutboundError, toOutboundError } from './outbound-error.ts';

export interface SafeFetchOptions {
  /** Ranges that an operator allows although they are not public. */
  allowedRanges?: readonly AddressRange[];
  /** Finds a name's addresses; the system's resolver where absent. */
  resolve?: (hostname: string) => Promise<LookupAddress[]>;
}

const maxRedirects = 5;

/** What may follow a redirect to another origin: nothing that could be a secret of the first one, whatever its name. */
const harmlessHeaders = new Set(['accept', 'accept-language', 'content-type', 'user-agent']);

/**
 * A `fetch` for addresses that a customer or a page chose. It calls public addresses and the allowed ranges only: a
 * name is resolved once, for the connection that is made to that address, so that a second answer of the name server
 * cannot change it; each redirect is checked in the same way. Rejects with an OutboundError. Bodies stream; the whole
 * call has no limits (withLimits adds them), but a server that falls silent is left.
 */
export function createSafeFetch({
  allowedRanges = [],
  resolve = (hostname) => systemLookup(hostname, { all: true }),
}: SafeFetchOptions = {}): typeof fetch {
  const check = createAddressCheck(allowedRanges);
  // An own agent: proxies of the environment would connect on our behalf, unchecked.
  const dispatcher = new Agent({
    connect: { timeout: timing.connect, lookup: checkedLookup(resolve, check) },
    headersTimeout: timing.silence,
    bodyTimeout: timing.silence,
  });

  return async (input, init = {}) => {
    const given = input instanceof Request ? input : undefined;
    let url = parse(given?.url ?? String(input));
    let next: RequestInit = given
      ? { ...requestInit(given), ...init, headers: new Headers(init.headers ?? given.headers) }
      : { ...init, headers: new Headers(init.headers) };
    const mode = init.redirect ?? given?.redirect ?? 'follow';

    for (let redirects = 0; ; redirects++) {
      refuseUnsafe(url, check);
      const response = await hop(url, { ...next, redirect: 'manual', dispatcher });
      const target = mode === 'manual' ? undefined : redirectTarget(response, url);
      if (!target) {
        return redirects === 0 ? response : Object.defineProperty(response, 'redirected', { value: true });
      }
      await response.body?.cancel();
      if (mode === 'error' || redirects === maxRedirects) {
        const message =
          mode === 'error'
            ? `${url.host} redirects to another address.`
            : `${url.host} redirects more than ${maxRedirects} times.`;
        throw new OutboundError('REDIRECT_LIMIT', message);
      }
      next = redirected(next, response.status, url, target);
      url = target;
    }
  };
}

async function hop(url: URL, init: RequestInit & { dispatcher: Agent }): Promise<Response> {
  try {
    return await fetch(url, init as RequestInit);
  } catch (error) {
    throw init.signal?.aborted ? error : toOutboundError(error, url.host);
  }
}

function parse(text: string): URL {
  // Here decimal, octal and hexadecimal forms of an address become its usual one.
  const url = URL.parse(text);
  if (!url)
    throw new OutboundError(
      'URL_INVALID',
      'The address is not a complete URL, such as https://example.com/.',
    );
  return url;
}

/** What can be said before a name is resolved. A host that is an address is never resolved: this is its only check. */
function refuseUnsafe(url: URL, check: AddressCheck): void {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new OutboundError('SCHEME_NOT_ALLOWED', `Only http and https can be called, not ${url.protocol}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new OutboundError(
      'URL_HAS_CREDENTIALS',
      `Remove the user name and password from the URL of ${url.host}.`,
    );
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const reason = isAddress(host) ? check(host) : undefined;
  if (reason) throw notAllowed(host, reason);
}

const isAddress = (host: string) => host.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(host);

function notAllowed(host: string, reason: string): OutboundError {
  return new OutboundError(
    'ADDRESS_NOT_ALLOWED',
    `${host} is ${reason}, which this server does not call. An operator can allow it with OUTBOUND_ALLOWED_RANGES.`,
  );
}

/** Resolves once, and gives the connection only those addresses that may be called. */
function checkedLookup(
  resolve: NonNullable<SafeFetchOptions['resolve']>,
  check: AddressCheck,
): LookupFunction {
  return (hostname, options, callback) => {
    const answer = async () => {
      const found = await resolve(hostname);
      const open = found.filter(({ address }) => check(address) === undefined);
      const first = found[0];
      if (open.length === 0) {
        if (!first) throw Object.assign(new Error('no addresses'), { code: 'ENOTFOUND' });
        throw notAllowed(hostname, check(first.address) ?? '');
      }
      return open;
    };
    answer().then(
      (open) => {
        if (options.all) callback(null, open);
        else callback(null, open[0]!.address, open[0]!.family);
      },
      (error: Error) => callback(error, '', 0),
    );
  };
}

function redirectTarget(response: Response, url: URL): URL | undefined {
  const location = response.headers.get('location');
  if (location === null || ![301, 302, 303, 307, 308].includes(response.status)) return undefined;
  const target = URL.parse(location, url.href);
  if (!target)
    throw new OutboundError('URL_INVALID', `${url.host} redirects to something that is not a URL.`);
  if (target.hash === '') target.hash = url.hash;
  return target;
}

/** The request after a redirect, as the Fetch standard has it; on a change of origin with harmless headers only. */
function redirected(request: RequestInit, status: number, from: URL, to: URL): RequestInit {
  const next: RequestInit = { ...request, headers: new Headers(request.headers) };
  const headers = next.headers as Headers;
  const method = (request.method ?? 'GET').toUpperCase();
  if ((status === 303 && method !== 'HEAD') || ((status === 301 || status === 302) && method === 'POST')) {
    Object.assign(next, { method: 'GET', body: null });
    for (const name of [
      'content-type',
      'content-length',
      'content-encoding',
      'content-language',
      'content-location',
    ])
      headers.delete(name);
  } else if (isStream(request.body)) {
    throw new OutboundError(
      'REDIRECT_NOT_REPEATABLE',
      `${from.host} redirects an upload. Use the final address.`,
    );
  }
  if (to.origin !== from.origin) {
    for (const name of [...headers.keys()]) if (!harmlessHeaders.has(name)) headers.delete(name);
  }
  return next;
}

function isStream(body: RequestInit['body']): boolean {
  return (
    typeof body === 'object' &&
    body !== null &&
    (Symbol.asyncIterator in body || body instanceof ReadableStream)
  );
}

function requestInit(request: Request): RequestInit {
  const { method, body, signal } = request;
  return { method, body, signal, ...(body ? { duplex: 'half' as const } : {}) };
}
