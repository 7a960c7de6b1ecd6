// The OpenAI API as OpenAI, Groq and Ollama speak it: one client, three addresses.
import OpenAI, { APIConnectionError, APIError } from 'openai';
import type { ProviderError } from '../../domain/errors.ts';
import { connectionFailure, httpFailure, retryAfterOf } from '../failures.ts';

export type OpenAiDialect = 'openai' | 'groq' | 'ollama';

export interface OpenAiOptions {
  name: OpenAiDialect;
  /** Ends before `/chat/completions`. */
  baseUrl: string;
  apiKey: string | undefined;
  /** safeFetch where a customer chose the address. */
  fetch: typeof fetch;
}

export function connectOpenAi({ baseUrl, apiKey, fetch }: OpenAiOptions): OpenAI {
  return new OpenAI({
    baseURL: baseUrl,
    // Ollama needs none, and the client does not start without.
    apiKey: apiKey ?? 'none',
    // Otherwise read from this process's environment.
    organization: null,
    project: null,
    webhookSecret: null,
    // Temporal owns retrying.
    maxRetries: 0,
    fetch,
    // It would print parts of answers that it cannot read.
    logLevel: 'off',
  });
}

export function openAiFailure(provider: string, error: unknown, model?: string): ProviderError {
  if (error instanceof APIError && !(error instanceof APIConnectionError) && error.status !== undefined) {
    const { status, code, type, headers } = error;
    return httpFailure(provider, {
      status,
      code: code ?? type,
      retryAfterMs: retryAfterOf(headers),
      ...(model ? { model } : {}),
      cause: error,
    });
  }
  // An error that came as an event inside a stream has a code and no status.
  if (error instanceof APIError && !(error instanceof APIConnectionError)) {
    return httpFailure(provider, { status: 500, code: error.code ?? error.type, cause: error });
  }
  return connectionFailure(provider, error);
}
