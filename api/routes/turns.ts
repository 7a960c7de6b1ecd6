import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { beginning, isLast, isTerminal, maxFeedbackLength, parsePosition } from '../../domain/chat.ts';
import { AppError } from '../../domain/errors.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { App, AppDependencies } from '../app.ts';
import { eventsOf } from '../schemas.ts';
import { followTurn } from '../turn-frames.ts';
import { closed, sendEvents } from '../turn-streams.ts';
import { cancelTurn, seesConversations, turnSchema, turnView, visibleTurn } from '../turns.ts';

const params = z.object({ turnId: z.string() });
const query = z.object({ conversationId: z.string().optional() });
const turnReply = z.object({ turn: turnSchema });
const feedback = z.object({ rating: z.enum(['up', 'down']), text: z.string().nullable() }).nullable();

/** One turn, for whoever asked it: live, as it is recorded, stopped, judged. */
export function turnRoutes(app: App, deps: AppDependencies): void {
  const config = { scope: 'chat', errors: ['CONVERSATION_ID_REQUIRED', 'TURN_NOT_FOUND'] } as const;
  const tags = ['Chat'];
  const { stores } = deps;

  const turnOf = (
    request: FastifyRequest<{ Params: { turnId: string }; Querystring: z.infer<typeof query> }>,
  ) => visibleTurn(deps, request, request.params.turnId, request.query.conversationId);

  app.get(
    '/v1/chat/turns/:turnId',
    {
      config,
      schema: {
        tags,
        summary: 'A turn as it is recorded',
        params,
        querystring: query,
        response: { 200: turnReply },
      },
    },
    async (request) => ({ turn: turnView(await turnOf(request)) }),
  );

  app.get(
    '/v1/chat/turns/:turnId/events',
    {
      config,
      schema: {
        tags,
        summary: 'Follow a turn as server-sent events, from its beginning or from Last-Event-ID (or ?after=)',
        params,
        querystring: query.extend({ after: z.string().optional() }),
        response: {
          200: eventsOf('Each event is one frame, with its position as id.'),
          204: z.undefined().describe('The client has everything.'),
        },
      },
    },
    async (request, reply) => {
      const turn = await turnOf(request);
      // A browser that reconnects repeats the address and adds the header: the header is newer.
      const given = request.headers['last-event-id'] ?? request.query.after;
      const after = positionOf(given);
      // What EventSource takes as: do not come back.
      if (isLast(after) && isTerminal(turn.status)) return reply.status(204).send();
      const followed = { projectId: request.projectId, turnId: turn.id, conversationId: turn.conversationId };
      return sendEvents(reply, followTurn(deps, followed, closed(reply), after));
    },
  );

  app.post(
    '/v1/chat/turns/:turnId/cancel',
    {
      config: { ...config, errors: [...config.errors, 'SERVICE_UNAVAILABLE'] },
      schema: {
        tags,
        summary: 'Stop an answer; what was said is kept',
        params,
        querystring: query,
        response: { 200: turnReply, 202: turnReply },
      },
    },
    async (request, reply) => {
      const turn = await turnOf(request);
      await cancelTurn(deps, request, turn);
      const now = await turnOf(request);
      return reply.status(isTerminal(now.status) ? 200 : 202).send({ turn: turnView(now) });
    },
  );

  app.post(
    '/v1/chat/turns/:turnId/feedback',
    {
      config: { ...config, errors: [...config.errors, 'TURN_NOT_FINISHED'] },
      schema: {
        tags,
        summary: 'Say whether an answer helped',
        params,
        querystring: query,
        body: z.object({
          rating: z.enum(['up', 'down']).nullable(),
          text: z.string().trim().max(maxFeedbackLength).nullish(),
        }),
        response: { 200: z.object({ feedback }) },
      },
    },
    async (request) => {
      const turn = await turnOf(request);
      if (!isTerminal(turn.status)) throw new AppError('TURN_NOT_FINISHED');
      const { rating, text } = request.body;
      const given = rating && { rating, text: text || null };
      await stores.feedback.put(request.projectId, turn.id, given);
      return { feedback: given };
    },
  );

  app.get(
    '/v1/chat/conversations/:conversationId',
    {
      config: { scope: 'chat', errors: ['CONVERSATION_NOT_FOUND'] },
      schema: {
        tags,
        summary: "A visitor's own conversation, for a refreshed page or another device",
        params: z.object({ conversationId: z.string() }),
        querystring: z.object({ limit: z.coerce.number().int().min(1).max(200).default(50) }),
        response: {
          200: z.object({
            conversation: z.object({ id: z.string(), createdAt: z.string() }),
            turns: z.array(turnSchema),
          }),
        },
      },
    },
    async (request) => {
      const {
        projectId,
        params: { conversationId },
        query: { limit },
      } = request;
      const found = isUuid(conversationId)
        ? await stores.conversations.get(projectId, conversationId)
        : undefined;
      // A session's name is the client's choice, so others may guess it, and with it get the conversation's id.
      const guessable = found?.sessionId != null;
      if (!found || (guessable && !seesConversations(request))) throw new AppError('CONVERSATION_NOT_FOUND');
      const turns = await stores.turns.ofConversation(projectId, found.id, limit);
      return {
        conversation: { id: found.id, createdAt: found.createdAt.toISOString() },
        turns: turns.map(turnView),
      };
    },
  );
}

function positionOf(given: string | string[] | undefined) {
  if (given === undefined || given === '') return beginning;
  const position = typeof given === 'string' ? parsePosition(given) : undefined;
  if (position) return position;
  const message = 'The position to resume after must be the id of an event, such as 1.17.';
  throw new AppError('INVALID_REQUEST', { message });
}
