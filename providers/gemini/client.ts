import { GoogleGenerativeAI, GoogleGenerativeAIFetchError } from '@google/generative-ai';
import type { ProviderError } from '../../domain/errors.ts';
import { brokenProtocol, connectionFailure, httpFailure } from '../failures.ts';

export interface GeminiOptions {
  apiKey: string;
  /** Only the environment sets it: the client has no way to check what it connects to. */
  baseUrl: string;
}

export const geminiName = 'gemini';

export function connectGemini({ apiKey }: GeminiOptions): GoogleGenerativeAI {
  return new GoogleGenerativeAI(apiKey);
}

export function geminiFailure(error: unknown, model?: string): ProviderError {
  if (error instanceof GoogleGenerativeAIFetchError && error.status !== undefined) {
    const { status, errorDetails } = error;
    const reason = errorDetails?.find((detail) => typeof detail.reason === 'string')?.reason;
    // An invalid key comes as a bad request.
    const credentials = status === 400 && reason === 'API_KEY_INVALID';
    return httpFailure(geminiName, {
      status: credentials ? 401 : status,
      code: reason,
      retryAfterMs: retryDelayOf(errorDetails),
      ...(model ? { model } : {}),
      cause: error,
    });
  }
  // The client's own errors repeat the URL, and what they could not read.
  if (error instanceof Error && /parse|parsing/i.test(error.message)) {
    return brokenProtocol(geminiName, 'sent something that is not JSON.');
  }
  return connectionFailure(geminiName, error);
}

/** Google puts the pause into the error's details, as google.rpc.RetryInfo: "34s" or "1.5s". */
function retryDelayOf(details: GoogleGenerativeAIFetchError['errorDetails']): number | undefined {
  const delay = details?.find((detail) => String(detail['@type']).endsWith('google.rpc.RetryInfo'))
    ?.retryDelay as string | undefined;
  const seconds = Number(/^([\d.]+)s$/.exec(delay ?? '')?.[1] ?? Number.NaN);
  return Number.isNaN(seconds) ? undefined : seconds * 1000;
}
