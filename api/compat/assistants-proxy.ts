// The assistants proxy: no key, the page's host says which project answers, and events in the shape of OpenAI's
// Assistants API.
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Frame } from '../../domain/chat.ts';
import { withoutMarks } from '../../domain/citation-marks.ts';
import { live } from '../../domain/deadlines.ts';
import { AppError } from '../../domain/errors.ts';
import { pageHost } from '../../domain/hosts.ts';
import type { ConversationTurn } from '../../stores/postgres/conversations.ts';
import type { App, AppDependencies } from '../app.ts';
import { toAppError } from '../plugins/errors.ts';
import { closed } from '../turn-streams.ts';
import { acceptTurn, followAccepted, messageText } from '../turns.ts';
import { createShownText } from './shown-text.ts';

/** Ours have 24 characters that nobody guesses; those that OpenAI made for a client before begin a thread here. */
const threadId = /^thread_[A-Za-z0-9]{16,64}$/;
const newThreadId = () => `thread_${randomBytes(12).toString('hex')}`;
/** Messages of the thread that the last event carries. */
const lastMessages = 20;

const tags = ['Assistants proxy'];
const threadView = z.object({
  id: z.string(),
  thread_id: z.string(),
  object: z.literal('thread'),
  created_at: z.int().describe('Seconds since 1970.'),
});
const refused = z.object({ error: z.string() });
const errors = { 400: refused, 403: refused, 404: refused, 429: refused, 500: refused };
const processBody = z.object({
  threadId: z.string().optional(),
  thread_id: z.string().optional(),
  message: messageText,
});

export async function assistantsProxyRoutes(app: App, deps: AppDependencies): Promise<void> {
  for (const prefix of ['/open-ai', '']) {
    await app.register(
      async (scope: App) => {
        scope.setErrorHandler(renderError);
        scope.addHook('onRequest', async (request) => {
          const { origin, referer } = request.headers;
          const host = pageHost(origin, referer);
          const projectId = host && (await deps.stores.hosts.find(host));
          if (!projectId) throw new AppError('HOST_UNKNOWN');
          request.projectId = projectId;
        });
        routes(scope, deps);
      },
      { prefix },
    );
  }
}

function routes(app: App, deps: AppDependencies): void {
  const { rateLimits } = deps.settings;

  app.get(
    '/create-thread',
    {
      config: { public: true },
      schema: { tags, summary: 'Begin a thread', response: { 200: threadView, ...errors } },
    },
    async (_request, reply) => {
      // Nothing is stored until its first message; a browser must not hand two pages the same.
      reply.header('cache-control', 'no-store');
      const id = newThreadId();
      return {
        id,
        thread_id: id,
        object: 'thread' as const,
        created_at: Math.floor(Date.now() / 1000),
      };
    },
  );

  app.post(
    '/process-message',
    {
      config: {
        public: true,
        // For each address: there is no key to count by.
        limit: { name: 'proxy', points: rateLimits.visitorRequests, windowMs: rateLimits.windowMs },
      },
      schema: {
        tags,
        summary: 'Ask in a thread and read the events of its run',
        body: processBody,
        response: {
          200: {
            description: 'One event in each write: `data: <JSON>` and an empty line.',
            content: { 'text/event-stream': { schema: z.looseObject({ event: z.string() }) } },
          },
        },
      },
    },
    async (request, reply) => {
      const { message, threadId: camel, thread_id: snake } = request.body;
      const thread = camel ?? snake;
      if (!thread || !threadId.test(thread)) {
        throw new AppError('CONVERSATION_NOT_FOUND', {
          message: 'There is no such thread. Call create-thread first.',
        });
      }
      const accepted = await acceptTurn(
        deps,
        request,
        {
          message,
          conversation: { sessionId: thread },
          host: pageHost(request.headers.origin, request.headers.referer),
        },
        undefined,
      );
      const frames = followAccepted(deps, request, accepted, closed(reply));
      const messages = async () => {
        const page = { limit: lastMessages / 2 };
        const { turns } = await deps.stores.conversations.turns(
          request.projectId,
          accepted.conversationId,
          page,
        );
        return turns.flatMap((turn) => messagesOf(thread, turn)).reverse();
      };
      return send(reply, eventsOf(frames, messages, request));
    },
  );
}

type ProxyEvent = { event: string } & Record<string, unknown>;

async function* eventsOf(
  frames: AsyncIterable<Frame>,
  messages: () => Promise<object[]>,
  request: FastifyRequest,
): AsyncGenerator<ProxyEvent> {
  const textOf = createShownText();
  try {
    for await (const frame of frames) {
      if (frame.type === 'start') yield { event: 'thread.run.created', status: 'queued' };
      if (frame.type === 'tool') {
        yield { event: 'thread.run.requires_action', status: 'requires_action', required_action: sending };
      }
      const value = textOf(frame);
      if (value !== '') {
        const content = [{ index: 0, type: 'text', text: { value, annotations: [] } }];
        yield { event: 'thread.message.delta', delta: { content } };
      }
      if (frame.type === 'done') {
        yield {
          event: 'thread.message.completed',
          status: 'completed',
          content: contentOf(withoutMarks(frame.reply)),
        };
        yield { event: 'end', messages: await messages() };
      }
      if (frame.type === 'error') yield failure(frame.message);
    }
  } catch (error) {
    request.log.error({ err: error }, 'a thread could not be followed');
    yield failure('The answer could not be read. Ask again.');
  }
}

/** The lead's e-mail, which is sent here: a page has nothing to submit, and sees nothing of the lead. */
const sending = {
  type: 'submit_tool_outputs',
  submit_tool_outputs: {
    tool_calls: [{ id: 'sendEmail', type: 'function', function: { name: 'sendEmail', arguments: '{}' } }],
  },
};

const failure = (content: string): ProxyEvent => ({ event: 'system.error', status: 'error', content });

const contentOf = (value: string) => [{ type: 'text', text: { value, annotations: [] } }];

/** A turn as the messages of a thread, oldest first. */
function messagesOf(thread: string, turn: ConversationTurn): object[] {
  const message = (role: 'user' | 'assistant', at: Date, text: string) => ({
    id: `msg_${role}_${turn.id}`,
    object: 'thread.message',
    thread_id: thread,
    role,
    created_at: Math.floor(at.getTime() / 1000),
    content: contentOf(text),
  });
  const asked = message('user', turn.createdAt, turn.question);
  if (turn.reply === null) return [asked];
  return [asked, message('assistant', turn.finishedAt ?? turn.createdAt, withoutMarks(turn.reply))];
}

/** Its clients parse one event in each chunk that the network hands them, so each has a write of its own. */
function send(reply: FastifyReply, events: AsyncIterable<ProxyEvent>) {
  const parts = async function* () {
    let last = 0;
    for await (const event of events) {
      const early = last + live.eventGap - performance.now();
      if (early > 0) await sleep(early);
      last = performance.now();
      yield render(event);
    }
  };
  return reply
    .header('content-type', 'text/event-stream; charset=utf-8')
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no')
    .send(Readable.from(parts(), { objectMode: false }));
}

const render = (event: ProxyEvent) => `data: ${JSON.stringify(event)}\n\n`;

/** What goes wrong before the first event is an event too, where the client reads nothing else. */
function renderError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { code, status, message, details } = toAppError(error, request);
  if (status >= 500) request.log.error({ err: error, code }, 'request failed');
  else request.log.info({ code }, 'request refused');
  if (typeof details?.retryAfterSeconds === 'number') {
    reply.header('retry-after', String(details.retryAfterSeconds));
  }
  reply.status(status);
  if (request.method !== 'POST') return reply.send({ error: message });
  return reply.type('text/event-stream; charset=utf-8').send(render(failure(message)));
}
