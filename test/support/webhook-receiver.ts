import { createServer, type IncomingHttpHeaders } from 'node:http';
import { Webhook } from 'standardwebhooks';

export interface Received {
  headers: IncomingHttpHeaders;
  body: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into events of any type
  event: any;
}

/** What the receiver does with a call: answers with a status, is silent, or drops the connection. */
export type Behaviour = { status: number; headers?: Record<string, string> } | 'silent' | 'drop';

/** A receiver of webhooks: a real HTTP server that behaves as it is told, call by call (the last stays). */
export async function startReceiver(...behaviours: Behaviour[]) {
  const received: Received[] = [];
  let calls = 0;
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const body = Buffer.concat(parts).toString();
    received.push({ headers: request.headers, body, event: JSON.parse(body) });
    const behaviour = behaviours[Math.min(calls++, behaviours.length - 1)] ?? { status: 200 };
    if (behaviour === 'drop') request.socket.destroy();
    else if (behaviour !== 'silent') response.writeHead(behaviour.status, behaviour.headers).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    ofType: (type: string) => received.filter(({ event }) => event.type === type),
    /** The event as a receiver's library verifies it; throws where the signature is wrong. */
    verify: (secret: string, { headers, body }: Received) =>
      new Webhook(secret).verify(body, headers as Record<string, string>),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
