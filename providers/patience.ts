// How long a model may be silent. SDKs limit a whole call; a visitor minds the silence.
import { ProviderError } from '../domain/errors.ts';

export interface Patience {
  /** Milliseconds from the call to the first text. */
  firstToken: number;
  /** Milliseconds from one part to the next. */
  betweenTokens: number;
}

/**
 * The parts of a stream, while they come in time. `open` gets the signal that ends the call; the end of the call is
 * this function's business, whoever stops reading. Ends quietly when the caller's signal is aborted. Throws a
 * retryable ProviderError when the model is silent for too long, and else what `failure` makes of what was thrown.
 */
export async function* patiently<T>(
  provider: string,
  options: { signal: AbortSignal; patience: Patience; failure: (error: unknown) => ProviderError },
  open: (signal: AbortSignal) => Promise<AsyncIterable<T>>,
  isToken: (part: T) => boolean,
): AsyncGenerator<T> {
  const { signal, patience, failure } = options;
  if (signal.aborted) return;
  const silence = new AbortController();
  const ended = AbortSignal.any([signal, silence.signal]);
  let spoken = false;
  const seconds = (ms: number) => `${ms / 1000} s`;
  const inTime = async <R>(work: Promise<R>, until: number): Promise<R> => {
    const stopped = Promise.withResolvers<never>();
    const stop = () => stopped.reject(ended.reason);
    const timer = setTimeout(
      () => {
        const what = spoken
          ? `fell silent for ${seconds(patience.betweenTokens)}.`
          : `no first word within ${seconds(patience.firstToken)}.`;
        silence.abort(new ProviderError(provider, what, { retryable: true, kind: 'timeout' }));
      },
      Math.max(0, until - performance.now()),
    );
    ended.addEventListener('abort', stop, { once: true });
    // What loses the race may still reject, unheard.
    work.catch(() => {});
    try {
      return await Promise.race([work, stopped.promise]);
    } finally {
      clearTimeout(timer);
      ended.removeEventListener('abort', stop);
    }
  };
  const firstUntil = performance.now() + patience.firstToken;
  try {
    const parts = (await inTime(open(ended), firstUntil))[Symbol.asyncIterator]();
    for (;;) {
      const until = spoken ? performance.now() + patience.betweenTokens : firstUntil;
      const next = await inTime(parts.next(), until);
      if (next.done) return;
      spoken ||= isToken(next.value);
      yield next.value;
    }
  } catch (error) {
    if (signal.aborted) return;
    if (silence.signal.aborted) throw silence.signal.reason;
    throw error instanceof ProviderError ? error : failure(error);
  } finally {
    // Ends the call where the reader has gone.
    if (!ended.aborted) silence.abort();
  }
}
