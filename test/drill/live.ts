// Reading a turn live in each of the three ways, as a widget does it: cut off at any moment, it comes back and resumes.
import {
  createScreen,
  openSocket,
  readEvents,
  readLines,
  type Screen,
  type WireFrame,
} from '../support/live-clients.ts';
import { type Caller, noted, replyOf, send, TryAgain } from './client.ts';

export const liveWays = ['stream', 'events', 'socket'] as const;
export type LiveWay = (typeof liveWays)[number];

/** What the client keeps between two connections. */
export interface LiveReader {
  screen: Screen;
  turnId: string | undefined;
  conversationId: string | undefined;
}

export const createReader = (): LiveReader => ({
  screen: createScreen(),
  turnId: undefined,
  conversationId: undefined,
});

export interface Call {
  body: { message: string; conversationId?: string };
  idempotencyKey: string | undefined;
  /** How likely the client leaves by itself after a frame, as people do. */
  leaves: number;
}

/**
 * One connection: asks, or resumes what was asked before, and reads until the last frame, which it returns.
 * Throws TryAgain when the connection is cut, and Error when the call is refused.
 */
export async function readLive(
  caller: Caller,
  way: LiveWay,
  call: Call,
  reader: LiveReader,
): Promise<WireFrame> {
  const { ledger, random } = caller;
  const connect = { stream: byLines, events: byEvents, socket: bySocket }[way];
  try {
    for await (const frame of connect(caller, call, reader)) {
      if (reader.turnId !== undefined && frame.turnId !== reader.turnId) {
        throw new Error(`was promised turn ${reader.turnId} and got a frame of ${frame.turnId}`);
      }
      reader.turnId = frame.turnId;
      if (frame.type === 'start') reader.conversationId = frame.conversationId;
      reader.screen.show(frame);
      if (reader.screen.last()) return frame;
      if (random.chance(call.leaves)) throw new TryAgain('left');
    }
  } catch (error) {
    if (error instanceof TryAgain || /^was /.test((error as Error).message)) throw error;
    throw noted(ledger, error);
  }
  throw noted(ledger, new Error('', { cause: { code: 'stream ended without an outcome' } }));
}

const path = '/v1/chat/turns';

/** Lines of JSON cannot be resumed: the same call is made again, and read from the beginning. */
async function* byLines(caller: Caller, { body, idempotencyKey }: Call, reader: LiveReader) {
  reader.screen = createScreen();
  const response = await send(caller, { method: 'POST', path, body, idempotencyKey });
  await refuseFailure(caller, response);
  yield* readLines(response);
}

async function* byEvents(
  caller: Caller,
  { body, idempotencyKey }: Call,
  { screen, turnId, conversationId }: LiveReader,
) {
  const position = screen.position();
  const response =
    turnId !== undefined && position !== undefined
      ? await send(caller, {
          method: 'GET',
          path: `${path}/${turnId}/events?conversationId=${conversationId}`,
          headers: { 'last-event-id': position },
        })
      : await send(caller, {
          method: 'POST',
          path,
          body,
          idempotencyKey,
          headers: { accept: 'text/event-stream' },
        });
  await refuseFailure(caller, response);
  for await (const { frame } of readEvents(response)) yield frame;
}

async function* bySocket(
  caller: Caller,
  { body, idempotencyKey }: Call,
  { screen, turnId, conversationId }: LiveReader,
) {
  const { apiUrls, apiKey, random } = caller;
  const socket = await openSocket(random.pick(apiUrls), { 'x-api-key': apiKey });
  try {
    await expectMessage(socket.next(), 'ready');
    const after = screen.position();
    socket.send(
      turnId !== undefined && after !== undefined
        ? { type: 'follow', turnId, conversationId, after }
        : { type: 'ask', ...body, idempotencyKey },
    );
    await expectMessage(socket.next(), 'accepted');
    for (;;) yield await socket.next();
  } finally {
    socket.socket.terminate();
  }
}

async function expectMessage(coming: Promise<WireFrame>, type: string): Promise<void> {
  const message = await coming;
  if (message.type === type) return;
  if (['SERVICE_UNAVAILABLE', 'INTERNAL_SERVER_ERROR'].includes(message.code))
    throw new TryAgain(message.code);
  throw new Error(`was refused: ${JSON.stringify(message)}`);
}

async function refuseFailure({ ledger }: Caller, response: Response): Promise<void> {
  if (response.status === 200) return;
  const { status, json } = await replyOf(ledger, response);
  throw new Error(`was refused: ${status} ${json.code}: ${json.message}`);
}
