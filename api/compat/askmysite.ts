// The AskMySite widget's two calls: the key as a bearer token, a session token of ours, and errors in its words.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { withoutMarks } from '../../domain/citation-marks.ts';
import { AppError, type ErrorCode } from '../../domain/errors.ts';
import type { RateLimit } from '../../domain/limits.ts';
import { type ProjectSettings, positions } from '../../domain/projects.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { AcceptedTurn } from '../../stores/postgres/turn-acceptance.ts';
import type { VisitorSession } from '../../stores/postgres/visitor-sessions.ts';
import type { App, AppDependencies } from '../app.ts';
import { admitKey, bearerOf } from '../plugins/access.ts';
import { toAppError } from '../plugins/errors.ts';
import { limitGuesses, takeFrom } from '../plugins/rate-limits.ts';
import { closed } from '../turn-streams.ts';
import { acceptTurn, recordedTurn } from '../turns.ts';

const perKey: RateLimit = { name: 'askmysite-key', points: 60, windowMs: 60_000 };
const perSession: RateLimit = { name: 'askmysite-session', points: 10, windowMs: 60_000 };

const maxLength = 2_000;
const texts = {
  required: 'Message is required',
  tooLong: `Message too long (max ${maxLength} characters)`,
} as const;

const chatBody = z.object({
  message: z
    .string(texts.required)
    .transform((text) => withoutScripts(text).trim())
    .pipe(z.string().min(1, texts.required).max(maxLength, texts.tooLong)),
  // One that is no id of ours is like one that is unknown.
  conversationId: z.unknown().optional(),
});

const shownConfig = z.object({
  chatbotName: z.string(),
  welcomeMessage: z.string(),
  businessProfile: z.string(),
  assistantProfile: z.string().optional(),
  primaryLanguage: z.string(),
  primaryColor: z.string(),
  position: z.enum(positions),
  siteName: z.string(),
  siteUrl: z.string(),
  avatarUrl: z.string().optional(),
});

const tags = ['AskMySite widget'];
/** The key is looked at below, and both limits are its own. */
const config = { public: true, limit: 'none' } as const;

const refused = z.object({ success: z.literal(false), error: z.string() });
const errors = { 400: refused, 401: refused, 403: refused, 429: refused, 500: refused };

export async function askMySiteRoutes(app: App, deps: AppDependencies): Promise<void> {
  await app.register(async (scope: App) => {
    scope.setErrorHandler(async (error, request, reply) => {
      const { limits } = deps.stores;
      const shown = await limitGuesses(limits, deps.settings.rateLimits, { error, request, reply });
      return renderError(shown, request, reply);
    });
    scope.addHook('onRequest', async (request, reply) => {
      // Here an allowlist that was not set allows nobody.
      await admitKey(request, deps, bearerOf(request), 'chat', { onlyListedSites: true });
      await takeFrom(deps.stores.limits, reply, perKey, request.apiKey!.id);
    });
    routes(scope, deps);
  });
}

function routes(app: App, deps: AppDependencies): void {
  const { projects, visitorSessions } = deps.stores;

  app.get(
    '/api/chatbot/config',
    {
      config,
      schema: {
        tags,
        summary: 'What the widget shows',
        response: {
          200: z.object({ success: z.literal(true), config: shownConfig, data: shownConfig }),
          ...errors,
        },
      },
    },
    async (request) => {
      const project = await projects.get(request.projectId);
      if (!project) throw new AppError('INVALID_API_KEY');
      const shown = configOf(project.name, project.settings);
      // The oldest clients read `data`.
      return { success: true as const, config: shown, data: shown };
    },
  );

  app.post(
    '/api/chatbot/chat',
    {
      config,
      schema: {
        tags,
        summary: 'Ask in a session and wait for the answer',
        headers: z.looseObject({ 'x-session-token': z.string().optional() }),
        body: chatBody,
        response: {
          200: z.object({
            success: z.literal(true),
            message: z.object({
              id: z.string(),
              role: z.literal('assistant'),
              content: z.string(),
              createdAt: z.string(),
            }),
            sessionToken: z.string().optional().describe('Only when this call began the session'),
            data: z.object({ message: z.string(), conversationId: z.string() }),
          }),
          ...errors,
        },
      },
    },
    async (request, reply) => {
      const { projectId } = request;
      const given = request.headers['x-session-token'];
      const known = given ? await visitorSessions.resume(projectId, given) : undefined;
      const session = known ?? (await visitorSessions.begin(projectId));
      await takeFrom(deps.stores.limits, reply, perSession, visitorSessions.idOf(session.token));

      const accepted = await accept(deps, request, session, request.body);
      await visitorSessions.setConversation(projectId, session.token, accepted.conversationId);
      const turn = await recordedTurn(deps, request, accepted, closed(reply));
      const text = withoutMarks(turn.reply ?? '');
      return {
        success: true as const,
        message: {
          id: turn.id,
          role: 'assistant' as const,
          content: text,
          createdAt: (turn.finishedAt ?? turn.createdAt).toISOString(),
        },
        ...(known ? {} : { sessionToken: session.token }),
        data: { message: text, conversationId: turn.conversationId },
      };
    },
  );
}

/** In the conversation that the client names, else in the session's; in a new one where there is none. */
async function accept(
  deps: AppDependencies,
  request: FastifyRequest,
  session: VisitorSession,
  { message, conversationId }: z.infer<typeof chatBody>,
): Promise<AcceptedTurn> {
  const named = conversationId ? String(conversationId) : session.conversationId;
  const inNew = () => acceptTurn(deps, request, { message, conversation: 'new' }, undefined);
  if (!named || !isUuid(named)) return await inNew();
  try {
    return await acceptTurn(deps, request, { message, conversation: { id: named } }, undefined);
  } catch (error) {
    if (error instanceof AppError && error.code === 'CONVERSATION_NOT_FOUND') return await inNew();
    throw error;
  }
}

function configOf(name: string, settings: ProjectSettings): z.infer<typeof shownConfig> {
  const { assistantProfile, avatarUrl } = settings;
  return {
    chatbotName: settings.chatbotName,
    welcomeMessage: settings.welcomeMessage,
    businessProfile: settings.businessProfile,
    ...(assistantProfile ? { assistantProfile } : {}),
    primaryLanguage: settings.primaryLanguage,
    primaryColor: settings.primaryColor,
    position: settings.position,
    siteName: settings.siteName || name,
    siteUrl: settings.siteUrl,
    ...(avatarUrl ? { avatarUrl } : {}),
  };
}

/** Without `<script>` blocks. In one pass: the time does not grow faster than the text. */
export function withoutScripts(text: string): string {
  const [opening, closing] = [/<script/gi, /<\/script/gi];
  let kept = '';
  let from = 0;
  for (;;) {
    opening.lastIndex = from;
    const start = opening.exec(text)?.index ?? -1;
    closing.lastIndex = start;
    const end = start < 0 ? -1 : (closing.exec(text)?.index ?? -1);
    const close = end < 0 ? -1 : text.indexOf('>', end);
    if (close < 0) return kept + text.slice(from);
    kept += text.slice(from, start);
    from = close + 1;
  }
}

const errorsOf: Partial<Record<ErrorCode, [status: number, text: string]>> = {
  API_KEY_REQUIRED: [401, 'API key required'],
  INVALID_API_KEY: [401, 'Invalid API key'],
  // A key that may not chat is none, as far as this widget knows.
  INSUFFICIENT_SCOPE: [401, 'Invalid API key'],
  VISITOR_LOGIN_REQUIRED: [401, 'Login required'],
  DOMAIN_NOT_AUTHORIZED: [403, 'Domain not authorized'],
  RATE_LIMIT_EXCEEDED: [429, 'Rate limit exceeded'],
  CONTENT_TOO_LARGE: [400, texts.tooLong],
  MESSAGE_REQUIRED: [400, texts.required],
  INVALID_REQUEST: [400, texts.required],
  INVALID_JSON: [400, texts.required],
  UNSUPPORTED_MEDIA_TYPE: [400, texts.required],
};

function renderError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { code, details } = toAppError(error, request);
  const inChat = request.routeOptions.url === '/api/chatbot/chat';
  const failure = inChat ? 'Failed to process message' : 'Internal server error';
  const [status, text] = errorsOf[code] ?? [500, failure];
  if (status >= 500) request.log.error({ err: error, code }, 'request failed');
  else request.log.info({ code }, 'request refused');
  if (typeof details?.retryAfterSeconds === 'number') {
    reply.header('retry-after', String(details.retryAfterSeconds));
  }
  const tooLong =
    hasZodFastifySchemaValidationErrors(error) &&
    error.validation.some(({ message }) => message === texts.tooLong);
  return reply.status(status).send({ success: false, error: tooLong ? texts.tooLong : text });
}
