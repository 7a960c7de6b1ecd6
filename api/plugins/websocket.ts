import websocket from '@fastify/websocket';
import { apiDrain } from '../../domain/deadlines.ts';
import type { App } from '../app.ts';

/** Largest message that a client may send, in bytes: a question and its ids. */
const maxMessageBytes = 64 * 1024;

/**
 * Lets routes serve WebSockets. The returned signal is aborted when the server stops: a socket then closes itself once
 * it has said what it was saying, and is cut off when draining is over.
 */
export async function webSockets(app: App): Promise<AbortSignal> {
  const stopping = new AbortController();
  // A request for a socket that is refused leaves one that nobody reads, and so nobody sees closed: it would stay for ever,
  // and hold the server when it stops. The plugin closes those only that got as far as its own hooks.
  app.addHook('onResponse', async ({ raw }) => {
    if (raw.headers.upgrade !== undefined) raw.socket.destroySoon();
  });
  await app.register(websocket, {
    options: { maxPayload: maxMessageBytes },
    // Clients that vanish are the rule, not a failure of ours.
    errorHandler: (error, socket, request) => {
      request.log.info({ reason: error.message }, 'a socket failed');
      socket.terminate();
    },
    preClose(done) {
      const server = app.websocketServer;
      // Answered as any other request from now on: with 503, on a connection that ends.
      app.server.removeAllListeners('upgrade');
      stopping.abort();
      setTimeout(() => {
        for (const client of server.clients) client.terminate();
      }, apiDrain).unref();
      // Takes no new sockets; those that are open close themselves.
      server.close();
      done();
    },
  });
  return stopping.signal;
}
