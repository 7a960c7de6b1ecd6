// Every error that a client can see: code, status and default text in one table, thrown once (AppError) and
// rendered once (api/plugins/errors.ts).
export const errorTable = {
  API_KEY_REQUIRED: [401, 'An API key is required. Send it in the x-api-key header.'],
  INVALID_API_KEY: [401, 'This API key is unknown, revoked or expired.'],
  INSUFFICIENT_SCOPE: [403, 'This API key may not make this call.'],
  VISITOR_LOGIN_REQUIRED: [401, 'Sign in first.'],
  ACCESS_TOKEN_REQUIRED: [401, 'Sign in first: send the access token as "Authorization: Bearer …".'],
  INVALID_ACCESS_TOKEN: [401, 'This access token is not valid or has expired. Refresh it, or sign in again.'],
  INVALID_REFRESH_TOKEN: [401, 'This refresh token is not valid any more. Sign in again.'],
  INVALID_CREDENTIALS: [
    401,
    'The e-mail address or the password is wrong, or the address is not confirmed yet.',
  ],
  INVALID_OTP: [401, 'This code is wrong, was used, or has expired. Ask for another.'],
  INVALID_INVITATION: [
    404,
    'This invitation is unknown, was used, has expired, or was sent to another address.',
  ],
  INSUFFICIENT_ROLE: [403, 'Your role in this workspace does not allow that.'],
  DOMAIN_NOT_AUTHORIZED: [403, 'Pages of this site may not use this key.'],
  ORIGIN_NOT_ALLOWED: [403, 'Pages of this site may not make this call.'],
  PROJECT_NOT_FOUND: [404, 'There is no such project.'],
  WORKSPACE_NOT_FOUND: [404, 'There is no such workspace.'],
  MEMBER_NOT_FOUND: [404, 'There is no such member in this workspace.'],
  INVITATION_NOT_FOUND: [404, 'There is no such open invitation.'],
  USER_NOT_FOUND: [404, 'There is no such user.'],
  KEY_NOT_FOUND: [404, 'There is no such key in this project.'],
  DB_CONNECTION_NOT_FOUND: [404, 'There is no such database connection in this project.'],
  TOOL_NOT_FOUND: [404, 'There is no such tool in this project.'],
  NAME_TAKEN: [409, 'The project has one of this name already.'],
  HOST_UNKNOWN: [403, 'This server does not answer pages of this host.'],
  HOST_TAKEN: [409, 'Another project answers the pages of this host.'],
  HOST_NOT_FOUND: [404, 'This project does not answer the pages of this host.'],
  ALREADY_A_MEMBER: [409, 'This person is a member already.'],
  LAST_OWNER: [409, 'A workspace needs an owner: make somebody else one first.'],
  TOO_MANY_ATTEMPTS: [429, 'Too many attempts. Wait a moment and try again.'],
  INVALID_REQUEST: [400, 'The request is not valid.'],
  INVALID_JSON: [400, 'The body is not valid JSON.'],
  MESSAGE_REQUIRED: [400, 'Send a non-empty "message".'],
  CONTENT_REQUIRED: [400, 'Send a non-empty "content".'],
  CONTENT_TOO_LARGE: [413, 'The content is larger than this server accepts.'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'This content type is not supported.'],
  IDEMPOTENCY_KEY_REUSED: [422, 'This Idempotency-Key was used before with another body.'],
  RATE_LIMIT_EXCEEDED: [429, 'Too many calls. Try again when Retry-After says so.'],
  TOKEN_LIMIT_EXCEEDED: [429, 'This project has used up its tokens.'],
  HTTPS_REQUIRED: [403, 'This server is used over HTTPS only.'],
  ROUTE_NOT_FOUND: [404, 'There is no such route.'],
  DOCUMENT_NOT_FOUND: [404, 'There is no such document in this project.'],
  DOCUMENT_STATE: [409, 'The document is not in a state for that.'],
  CHUNK_NOT_FOUND: [404, 'There is no such chunk in the version of this document that answers.'],
  BATCH_NOT_FOUND: [404, 'There is no such batch in this project.'],
  TEST_QUESTION_NOT_FOUND: [404, 'There is no such test question in this project.'],
  TEST_QUESTIONS_REQUIRED: [409, 'This project has no test questions. Add some first.'],
  REBUILD_NOT_FOUND: [404, 'There is no such rebuild in this project.'],
  REBUILD_STATE: [409, 'The rebuild is not in a state for that.'],
  EVALUATION_NOT_FOUND: [404, 'There is no such evaluation in this project.'],
  EMBEDDING_IN_USE: [
    409,
    'The embedding model cannot be changed while there are documents. Rebuild the index with another model.',
  ],
  PROVIDER_KEY_NOT_FOUND: [404, 'The project has no key for this provider.'],
  PROVIDER_FAILED: [502, 'The provider did not answer as it should.'],
  SOURCE_NOT_FOUND: [404, 'There is no such source in this project.'],
  CRAWL_RUNNING: [409, 'A crawl of this source is under way. Wait for it, or cancel it.'],
  CRAWL_NOT_RUNNING: [409, 'No crawl of this source is under way.'],
  CONVERSATION_NOT_FOUND: [404, 'There is no such conversation in this project.'],
  CONVERSATION_ID_REQUIRED: [
    400,
    'Send the turn\'s "conversationId": a key in a page sees only what it knows.',
  ],
  TURN_NOT_FOUND: [404, 'There is no such turn in this conversation.'],
  TURN_NOT_FINISHED: [409, 'This turn has no answer yet.'],
  EXPLANATION_NOT_FOUND: [404, 'How this turn was searched for is not recorded.'],
  QUESTION_NOT_FOUND: [404, 'There is no such unanswered question in this project.'],
  WEBHOOK_NOT_FOUND: [404, 'There is no such webhook in this project.'],
  CRM_NOT_FOUND: [404, 'This project has no CRM. Connect one first.'],
  DELIVERY_NOT_FOUND: [404, 'There is no such delivery in this project.'],
  SESSION_ID_REQUIRED: [400, 'Send the "sessionId" that the first call gave you.'],
  OTP_REQUIRED: [400, 'Send the code from the e-mail as "otp".'],
  ASSISTANT_SESSION_NOT_FOUND: [404, 'There is no such session, or it has expired. Begin a new one.'],
  ASSISTANT_OTP_NOT_PENDING: [409, 'This session does not wait for a code.'],
  ASSISTANT_OTP_NOT_FOUND: [404, 'There is no code for this session. Ask for another one.'],
  ASSISTANT_OTP_EXPIRED: [410, 'The code has expired. Ask for another one.'],
  ASSISTANT_INVALID_OTP: [401, 'This is not the code that was sent.'],
  ASSISTANT_EMAIL_NOT_VERIFIED: [403, 'This call needs a visitor with a verified e-mail address.'],
  ASSISTANT_MESSAGE_LIMIT_REACHED: [429, 'This visitor has had all the answers that they may get.'],
  ERASURE_NOT_FOUND: [404, 'There is no such erasure in this project.'],
  LEAD_NOT_FOUND: [404, 'There is no such lead in this project.'],
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

/** What is wrong with something that we call, where that is known more closely than that it does not work. */
export type ProviderErrorKind =
  | 'unavailable'
  | 'timeout'
  | 'rate_limited'
  | 'not_configured'
  | 'credentials'
  | 'request'
  | 'protocol';

/** A failure of something that we call (a model, Elasticsearch, SMTP), in words that an operator can act on. */
export class ProviderError extends Error {
  readonly provider: string;
  readonly kind: ProviderErrorKind;
  readonly retryable: boolean;
  /** Milliseconds after which the provider asked to be tried again, where it said so. */
  readonly retryAfterMs: number | undefined;

  constructor(
    provider: string,
    message: string,
    options: { retryable: boolean; kind?: ProviderErrorKind; retryAfterMs?: number; cause?: unknown },
  ) {
    super(`${provider}: ${message}`, { cause: options.cause });
    this.name = 'ProviderError';
    this.provider = provider;
    this.kind = options.kind ?? 'unavailable';
    this.retryable = options.retryable;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** For machines: OPENAI_RATE_LIMITED, ELASTICSEARCH_UNAVAILABLE. */
  get type(): string {
    return `${this.provider}_${this.kind}`.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_');
  }
}
