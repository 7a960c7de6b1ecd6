import { OutboundError, toOutboundError } from './outbound-error.ts';

export interface ResponseLimits {
  /** Milliseconds from the call to the end of the body. */
  totalMs: number;
  /** Bytes of the body, unpacked: a small packed one may be huge. */
  maxBytes: number;
}

/**
 * The same fetch with limits for a whole call, for answers that end soon (not for a stream of tokens). Over a limit,
 * the call or the reading of its body rejects with an OutboundError.
 */
export function withLimits(call: typeof fetch, { totalMs, maxBytes }: ResponseLimits): typeof fetch {
  return async (input, init = {}) => {
    const own = init.signal ?? (input instanceof Request ? input.signal : undefined);
    const timeout = AbortSignal.timeout(totalMs);
    const signal = own ? AbortSignal.any([own, timeout]) : timeout;
    const { host } = new URL(input instanceof Request ? input.url : input);
    // A timeout of the caller's own is not ours to explain.
    const explain = (error: unknown) => (own?.aborted ? error : toOutboundError(error, host));
    const tooLarge = () =>
      new OutboundError('RESPONSE_TOO_LARGE', `The answer of ${host} is larger than ${maxBytes} bytes.`);

    const response = await call(input, { ...init, signal }).catch((error: unknown) => {
      throw explain(error);
    });
    const { body, status, statusText, headers } = response;
    if (status < 200 || status > 599) {
      await body?.cancel();
      throw new OutboundError('RESPONSE_INVALID', `${host} answered with the unknown status ${status}.`);
    }
    if (!headers.has('content-encoding') && Number(headers.get('content-length')) > maxBytes) {
      await body?.cancel();
      throw tooLarge();
    }
    const limited = new Response(body && ReadableStream.from(counted(body)), { status, statusText, headers });
    const { url, redirected } = response;
    return Object.defineProperties(limited, { url: { value: url }, redirected: { value: redirected } });

    async function* counted(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      let bytes = 0;
      try {
        for await (const chunk of chunks) {
          bytes += chunk.byteLength;
          if (bytes > maxBytes) throw tooLarge();
          yield chunk;
        }
      } catch (error) {
        throw explain(error);
      }
    }
  };
}
