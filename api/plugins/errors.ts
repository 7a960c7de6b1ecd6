import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { AppError, type ErrorCode } from '../../domain/errors.ts';

/** The one place that renders an error: flat, the code twice, because existing clients read either field. */
export function renderError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const shown = toAppError(error, request);
  if (shown.status >= 500) request.log.error({ err: error, code: shown.code }, 'request failed');
  else request.log.info({ code: shown.code }, 'request refused');
  const retryAfter = shown.details?.retryAfterSeconds;
  if (typeof retryAfter === 'number') reply.header('retry-after', String(retryAfter));
  return reply.status(shown.status).send({
    code: shown.code,
    error: shown.code,
    message: shown.message,
    ...(shown.details ? { details: shown.details } : {}),
    requestId: request.id,
  });
}

/** What the schema of a route calls its own error, where the plain INVALID_REQUEST would be less helpful. */
const codesOfEmptyFields: Record<string, ErrorCode> = {
  message: 'MESSAGE_REQUIRED',
  content: 'CONTENT_REQUIRED',
};

const codesOfFastify: Record<string, ErrorCode> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'INVALID_JSON',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'INVALID_JSON',
  FST_ERR_CTP_BODY_TOO_LARGE: 'CONTENT_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_BAD_URL: 'INVALID_REQUEST',
  FST_ERR_MAX_PARAM_LENGTH: 'INVALID_REQUEST',
};

/** What a client is told of an error. */
export function toAppError(error: unknown, request: Pick<FastifyRequest, 'body'>): AppError {
  if (error instanceof AppError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const issues = error.validation.map(({ instancePath, message }) => ({
      field: instancePath.slice(1).replaceAll('/', '.'),
      message: message ?? 'is not valid',
    }));
    const field = issues[0]?.field ?? '';
    const body = request.body as Record<string, unknown> | null | undefined;
    const value = body?.[field];
    const empty = value === undefined || value === null || (typeof value === 'string' && value.trim() === '');
    const code = error.validationContext === 'body' && empty ? codesOfEmptyFields[field] : undefined;
    if (code) return new AppError(code, { details: { issues } });
    const summary = issues.map((issue) => `${issue.field || 'body'}: ${issue.message}`).join('; ');
    return new AppError('INVALID_REQUEST', {
      message: `The request is not valid: ${summary}.`,
      details: { issues },
    });
  }
  const { code, statusCode, message } = error as Partial<FastifyError>;
  const known = code ? codesOfFastify[code] : undefined;
  if (known) return new AppError(known);
  if (statusCode && statusCode >= 400 && statusCode < 500) {
    return new AppError(statusCode === 413 ? 'CONTENT_TOO_LARGE' : 'INVALID_REQUEST', {
      message: message ?? '',
    });
  }
  if (isConnectionError(code))
    return new AppError('SERVICE_UNAVAILABLE', { details: { retryAfterSeconds: 2 } });
  return new AppError('INTERNAL_SERVER_ERROR');
}

/** PostgreSQL is away: nothing was stored, and trying again will do. Codes of postgres.js, the system and PostgreSQL. */
function isConnectionError(code: string | undefined): boolean {
  return /^(CONNECT|ECONN|EPIPE|ENOENT|57P0|08|53300)/.test(code ?? '');
}
