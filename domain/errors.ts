// Every error that a client can see: code, status and default text in one table, thrown once (AppError) and
// rendered once (api/plugins/errors.ts).
export const errorTable = {
  API_KEY_REQUIRED: [401, 'An API key is required. Send it in the x-api-key header.'],
  INVALID_API_KEY: [401, 'This API key is unknown, revoked or expired.'],
  INSUFFICIENT_SCOPE: [403, 'This API key may not make this call.'],
  INVALID_REQUEST: [400, 'The request is not valid.'],
  INVALID_JSON: [400, 'The body is not valid JSON.'],
  MESSAGE_REQUIRED: [400, 'Send a non-empty "message".'],
  CONTENT_REQUIRED: [400, 'Send a non-empty "content".'],
  CONTENT_TOO_LARGE: [413, 'The content is larger than this server accepts.'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'This content type is not supported.'],
  IDEMPOTENCY_KEY_REUSED: [422, 'This Idempotency-Key was used before with another body.'],
  ROUTE_NOT_FOUND: [404, 'There is no such route.'],
  DOCUMENT_NOT_FOUND: [404, 'There is no such document in this project.'],
  CONVERSATION_NOT_FOUND: [404, 'There is no such conversation in this project.'],
  TURN_FAILED: [503, 'The question was accepted, but could not be answered.'],
  TURN_CANCELLED: [409, 'The answer was stopped before it was complete.'],
  SEARCH_UNAVAILABLE: [503, 'Search is unavailable at the moment. Try again shortly.'],
  SERVICE_UNAVAILABLE: [503, 'The service is unavailable at the moment. Try again shortly.'],
  INTERNAL_SERVER_ERROR: [500, 'Something went wrong on our side.'],
} as const satisfies Record<string, readonly [status: number, message: string]>;

export type ErrorCode = keyof typeof errorTable;

export class AppError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly details: Record<string, unknown> | undefined;

  constructor(
    code: ErrorCode,
    options: { message?: string; details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(options.message ?? errorTable[code][1], { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.status = errorTable[code][0];
    this.details = options.details;
  }
}

/** A failure of something that we call (a model, Elasticsearch, SMTP), in words that an operator can act on. */
export class ProviderError extends Error {
  readonly provider: string;
  readonly retryable: boolean;
  /** Milliseconds after which the provider asked to be tried again, where it said so. */
  readonly retryAfterMs: number | undefined;

  constructor(
    provider: string,
    message: string,
    options: { retryable: boolean; retryAfterMs?: number; cause?: unknown },
  ) {
    super(`${provider}: ${message}`, { cause: options.cause });
    this.name = 'ProviderError';
    this.provider = provider;
    this.retryable = options.retryable;
    this.retryAfterMs = options.retryAfterMs;
  }
}
