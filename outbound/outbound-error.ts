/** Whether it may help to try the same call again. */
const retryable = {
  URL_INVALID: false,
  URL_HAS_CREDENTIALS: false,
  SCHEME_NOT_ALLOWED: false,
  PORT_NOT_ALLOWED: false,
  ADDRESS_NOT_ALLOWED: false,
  REDIRECT_LIMIT: false,
  REDIRECT_NOT_REPEATABLE: false,
  RESPONSE_TOO_LARGE: false,
  RESPONSE_INVALID: false,
  CERTIFICATE_INVALID: false,
  NAME_NOT_FOUND: false,
  NAME_SERVER_FAILED: true,
  TIMED_OUT: true,
  UNREACHABLE: true,
} as const;

export type OutboundErrorCode = keyof typeof retryable;

/** Where it helps to wait for hours or days, these do not change; a name or a certificate may be mended. */
export const noWaitingMends: readonly OutboundErrorCode[] = [
  'URL_INVALID',
  'URL_HAS_CREDENTIALS',
  'SCHEME_NOT_ALLOWED',
  'PORT_NOT_ALLOWED',
  'ADDRESS_NOT_ALLOWED',
];

/** A call to an address that a customer or a page chose was refused or failed. The message holds no path and no query. */
export class OutboundError extends Error {
  readonly code: OutboundErrorCode;
  readonly retryable: boolean;

  constructor(code: OutboundErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'OutboundError';
    this.code = code;
    this.retryable = retryable[code];
  }
}

/** What went wrong, whatever wrapped it: fetch, a client library and a stream each add an error of their own. */
export function outboundErrorIn(error: unknown): OutboundError | undefined {
  for (const inner of chain(error)) if (inner instanceof OutboundError) return inner;
  return undefined;
}

/** A failure of the network as an OutboundError; what is none (an abort by the caller, say) stays as it is. */
export function toOutboundError(error: unknown, host: string): unknown {
  const known = outboundErrorIn(error);
  if (known) return known;
  for (const inner of chain(error)) {
    const found = named(inner, host);
    if (found) return new OutboundError(found[0], found[1], { cause: error });
  }
  return error;
}

function named(error: Error, host: string): [OutboundErrorCode, string] | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (error.name === 'TimeoutError') return ['TIMED_OUT', `${host} did not finish its answer in time.`];
  // fetch's own list: the ports of mail servers and the like, which an HTTP request must not be sent to.
  if (error.message === 'bad port') return ['PORT_NOT_ALLOWED', `${host}: this port is not one for HTTP.`];
  if (typeof code !== 'string') return undefined;
  if (/^(ENOTFOUND|ENODATA)$/.test(code)) return ['NAME_NOT_FOUND', `There is no host called ${host}.`];
  if (code === 'EAI_AGAIN')
    return ['NAME_SERVER_FAILED', `The name ${host} cannot be looked up at the moment.`];
  if (/TIMEOUT|^ETIMEDOUT$/.test(code)) return ['TIMED_OUT', `${host} did not answer in time.`];
  if (/CERT|SELF_SIGNED|UNABLE_TO_|^ERR_TLS/.test(code))
    return ['CERTIFICATE_INVALID', `The certificate of ${host} is not valid (${code}).`];
  if (/^(HPE_|UND_ERR_(RES|HEADERS))/.test(code))
    return ['RESPONSE_INVALID', `${host} does not answer in valid HTTP (${code}).`];
  if (/^(E[A-Z]+|UND_ERR_SOCKET|ERR_SSL.*)$/.test(code))
    return ['UNREACHABLE', `${host} cannot be reached (${code}).`];
  return undefined;
}

function* chain(error: unknown): Generator<Error> {
  if (!(error instanceof Error)) return;
  yield error;
  // Several addresses were tried: each has failed for a reason of its own.
  if (error instanceof AggregateError) for (const inner of error.errors) yield* chain(inner);
  yield* chain(error.cause);
}
