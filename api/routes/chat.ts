import { z } from 'zod';
import { pageHint } from '../../domain/chat.ts';
import type { App, AppDependencies } from '../app.ts';
import { streamToSession } from '../compat/ndjson.ts';
import { idempotencyOf } from '../idempotency.ts';
import { closed, sendEvents, sendLines } from '../turn-streams.ts';
import { acceptTurn, followAccepted, messageText, recordedTurn, sessionName, usageOf } from '../turns.ts';

const askBody = z.object({
  message: messageText,
  conversationId: z.uuid().nullish(),
  page: pageHint.optional(),
});

/** Asking: waiting for the recorded answer, or reading it live. */
export function chatRoutes(app: App, deps: AppDependencies): void {
  const config = { scope: 'chat' } as const;
  const tags = ['chat'];

  app.post(
    '/chat',
    {
      config,
      schema: {
        tags,
        summary: 'Ask and wait for the answer; with a sessionId, the same as POST /v1/chat/stream',
        body: askBody.extend({ sessionId: sessionName.optional() }),
      },
    },
    async (request, reply) => {
      const { message, conversationId, sessionId, page } = request.body;
      if (sessionId !== undefined) {
        return await streamToSession(deps, request, reply, { message, sessionId, page });
      }
      const accepted = await acceptTurn(
        deps,
        request,
        { message, conversation: conversationId ? { id: conversationId } : 'new', page },
        idempotencyOf(request, 'chat'),
      );
      const turn = await recordedTurn(deps, request, accepted, closed(reply));
      return {
        reply: turn.reply ?? '',
        conversationId: turn.conversationId,
        turnId: turn.id,
        usage: usageOf(turn),
        sources: turn.sources,
        ...(turn.status === 'declined' ? { closest: turn.closest } : {}),
      };
    },
  );

  app.post(
    '/v1/chat/turns',
    {
      config,
      schema: {
        tags,
        summary: 'Ask and read the answer live: NDJSON, or server-sent events with Accept: text/event-stream',
        body: askBody,
      },
    },
    async (request, reply) => {
      const { message, conversationId, page } = request.body;
      const accepted = await acceptTurn(
        deps,
        request,
        { message, conversation: conversationId ? { id: conversationId } : 'new', page },
        idempotencyOf(request, 'turns'),
      );
      const frames = followAccepted(deps, request, accepted, closed(reply));
      const wantsEvents = request.headers.accept?.includes('text/event-stream');
      return wantsEvents ? sendEvents(reply, frames) : sendLines(reply, frames, (frame) => [frame]);
    },
  );
}
