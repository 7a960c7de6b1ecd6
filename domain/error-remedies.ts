import type { ErrorCode } from './errors.ts';

/** What a client does about an error, where the error's own text does not say it. Printed in docs/errors.md. */
export const errorRemedies: Partial<Record<ErrorCode, string>> = {
  API_KEY_REQUIRED:
    'Send a project’s key as `x-api-key` or, where the route allows it, sign in and send a bearer token.',
  INVALID_API_KEY:
    'Look at the project’s keys: the key may be revoked, expired or of a deactivated project. Too many unknown keys from one address are answered with `RATE_LIMIT_EXCEEDED`.',
  INSUFFICIENT_SCOPE:
    'Use a key with the scope that the message names. A request with an `Origin` comes from a page and may only chat, whatever its key: call from a server.',
  DOMAIN_NOT_AUTHORIZED:
    'Add the site’s host to the project’s `allowedDomains`. Pages on localhost need a test key, or `allowLocalhost`.',
  ORIGIN_NOT_ALLOWED: 'Operators: add the dashboard’s origin to `FRONTEND_ORIGIN`.',
  VISITOR_LOGIN_REQUIRED:
    'The site wants its visitors to sign in: call `POST /api/auth/login/{key}` and send its `token` as `x-visitor-token`.',
  ACCESS_TOKEN_REQUIRED: 'Call `POST /auth/login` and send its `accessToken`.',
  INVALID_ACCESS_TOKEN: 'Call `POST /auth/refresh`. Where that fails too, sign in again.',
  INVALID_REFRESH_TOKEN:
    'A refresh token works once. One that comes a second time ends the session, because it may have been stolen.',
  INVALID_CREDENTIALS: 'Nothing more is said, so that nobody can find out who has an account.',
  INVALID_OTP: '`POST /auth/resend-otp` sends another code.',
  INSUFFICIENT_ROLE: 'Ask an admin or owner of the workspace.',
  PROJECT_NOT_FOUND: 'The id is wrong, or you are no member of the project’s workspace.',
  WORKSPACE_NOT_FOUND: 'The id is wrong, or you are no member.',
  TOO_MANY_ATTEMPTS: 'Wait for `Retry-After` seconds.',
  INVALID_REQUEST: '`details.issues` names each field and what is wrong with it.',
  INVALID_JSON: 'Send a JSON body with `Content-Type: application/json`.',
  CONTENT_TOO_LARGE: 'Split the document, or have the operator raise `MAX_CONTENT_BYTES`.',
  UNSUPPORTED_MEDIA_TYPE:
    'Send `application/json`; files go as `multipart/form-data` where a route takes them.',
  IDEMPOTENCY_KEY_REUSED:
    'Use a new `Idempotency-Key` for a new call. Repeat a call with exactly the same body.',
  RATE_LIMIT_EXCEEDED:
    'Wait for `Retry-After` seconds. `RateLimit-Remaining` and `RateLimit-Reset` of earlier replies say when it is near; `details.limit` says which limit it is.',
  ASSISTANT_SESSION_NOT_FOUND: 'Forget the `sessionId` and call `POST /assistant/chat` with `{}`.',
  ASSISTANT_INVALID_OTP:
    '`details.triesLeft` says how many are left; with 0 the session is blocked. Only the newest code works.',
  ASSISTANT_OTP_EXPIRED: 'Call `POST /assistant/resend-otp`.',
  ASSISTANT_OTP_NOT_PENDING:
    'Look at `stage` of the last reply: the address is verified already, or not yet given.',
  ASSISTANT_MESSAGE_LIMIT_REACHED:
    'Raise `assistantMessageLimit` of the project. It holds for a lead over all sessions.',
  TOKEN_LIMIT_EXCEEDED:
    '`details` has the limit and what is used and reserved. Raise `tokenLimit` or `monthlyTokenBudget`, or wait for answers under way, which give back what they do not use.',
  HTTPS_REQUIRED:
    'Use `https://`. Operators: end TLS in a proxy that sets `X-Forwarded-Proto`, and set `TRUST_PROXY`. A key that was sent over plain HTTP should be rotated.',
  HOST_UNKNOWN:
    'Add the host: `PUT /projects/:projectId/hosts/:host`. The call has to come from a page, with an `Origin` or a `Referer`.',
  HOST_TAKEN: 'Remove it from the other project. An operator can move it: `frontdesk set-host`.',
  ROUTE_NOT_FOUND: 'Compare method and path with `/docs`.',
  DOCUMENT_NOT_FOUND: 'The id is wrong, deleted, or of another project than the key.',
  DOCUMENT_STATE: 'Look at the document’s `status` first; the message says which status the call needs.',
  CHUNK_NOT_FOUND:
    'Read `GET /documents/:documentId/chunks` again: a new version of a document has new chunks.',
  BATCH_NOT_FOUND: 'The id is wrong or of another project than the key.',
  TEST_QUESTIONS_REQUIRED: 'Add questions with `POST /retrieval/questions`.',
  CONVERSATION_NOT_FOUND:
    'The id is wrong or of another project than the key. Leave it out to begin a new conversation.',
  TURN_FAILED: '`details.reason` says why, `details.turnId` finds the workflow `turn/<turnId>`. Ask again.',
  TURN_CANCELLED: 'Somebody stopped it. Ask again.',
  SEARCH_UNAVAILABLE: 'Try again after `Retry-After`; `/ready` shows the state of the search server.',
  SERVICE_UNAVAILABLE: 'Nothing was stored. Try again after `Retry-After`.',
  INTERNAL_SERVER_ERROR: 'Report the `requestId`: it stands in the logs.',
};
