// What the stand-ins for paid models have in common: a real HTTP server, and what it does next, faults included.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';

/** What a server does with one request for an answer. */
export type Behaviour =
  | {
      /** Parts of the answer, one event each. */
      parts: string[];
      /** Milliseconds before each part. */
      every?: number;
      /** Instead of going on after so many parts: */
      after?: number;
      fault?: 'cut' | 'malformed' | 'silence' | 'end' | 'error event';
      finish?: 'stop' | 'length' | 'refused' | 'filtered';
    }
  | { tool: { name: string; arguments: object } }
  | { status: number; headers?: Record<string, string>; body?: object };

export interface ModelServer {
  url: string;
  /** Bodies and headers of the requests so far, in order. */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into requests of any shape
  requests: { path: string; headers: IncomingMessage['headers']; body: any }[];
  /** What the next requests meet, one each; then `otherwise`. */
  next: (...behaviours: Behaviour[]) => void;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into requests of any shape
  otherwise: (behaviour: (body: any) => Behaviour) => void;
  /** Requests whose client has gone before the answer's end. */
  abandoned: () => number;
  close: () => Promise<void>;
}

type Respond = (
  request: { path: string; method: string; headers: IncomingMessage['headers'] },
  // biome-ignore lint/suspicious/noExplicitAny: requests of any shape
  body: any,
  response: ServerResponse,
  // biome-ignore lint/suspicious/noExplicitAny: requests of any shape
  take: (body: any) => Behaviour,
) => Promise<void>;

export async function startModelServer(respond: Respond): Promise<ModelServer> {
  const requests: ModelServer['requests'] = [];
  const queue: Behaviour[] = [];
  let abandoned = 0;
  let otherwise: Parameters<ModelServer['otherwise']>[0] = () => ({ parts: ['Hello'] });
  const server: Server = createServer(async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    const body = text ? JSON.parse(text) : undefined;
    const path = request.url ?? '';
    requests.push({ path, headers: request.headers, body });
    response.on('close', () => {
      if (!response.writableFinished) abandoned += 1;
    });
    const asked = { path, method: request.method ?? '', headers: request.headers };
    await respond(asked, body, response, (given) => queue.shift() ?? otherwise(given)).catch(() =>
      response.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    next: (...behaviours) => queue.push(...behaviours),
    otherwise: (behaviour) => {
      otherwise = behaviour;
    },
    abandoned: () => abandoned,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function sendJson(response: ServerResponse, status: number, body: object, headers: object = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/** Writes the parts as server-sent events, with the fault that was asked for. False where it broke off. */
export async function sendParts(
  response: ServerResponse,
  behaviour: Extract<Behaviour, { parts: string[] }>,
  eventOf: (part: string) => string,
): Promise<boolean> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  response.flushHeaders();
  for (const [at, part] of [...behaviour.parts, ''].entries()) {
    if (behaviour.fault && at === (behaviour.after ?? behaviour.parts.length)) {
      if (behaviour.fault === 'cut') response.destroy();
      if (behaviour.fault === 'malformed') response.end('data: {"choices":[{"delta":{"content":\n\n');
      if (behaviour.fault === 'end') response.end();
      if (behaviour.fault === 'error event') {
        response.end(
          'data: {"error":{"message":"overloaded","type":"server_error","code":"overloaded"}}\n\n',
        );
      }
      // Silence: the connection stays open, and nothing comes.
      return false;
    }
    if (at === behaviour.parts.length) break;
    if (behaviour.every) await setTimeout(behaviour.every);
    response.write(eventOf(part));
  }
  return true;
}

/** A vector out of the words of a text: texts that share words are near each other. */
export function wordVector(text: string, dimensions: number): number[] {
  const vector = new Array<number>(dimensions).fill(0.001);
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? []) {
    let hash = 2166136261;
    for (const char of word.slice(0, 5)) hash = Math.imul(hash ^ char.charCodeAt(0), 16777619);
    vector[Math.abs(hash) % dimensions]! += 1;
  }
  return vector;
}
