// The SmartChat widget's connection as its contract has it: one socket for many messages, opened again when it closes.
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { eventually } from './api-client.ts';

// biome-ignore lint/suspicious/noExplicitAny: messages as they come
type Wire = any;

export interface SmartChatAnswer {
  text: string;
  chunks: number;
  /** What ended it: `done` or `error`. */
  end: Wire;
}

/** Its pause before it connects again, as in the contract. */
export const reconnectAfterMs = 2_000;

export async function openSmartChat(url: string, sessionId: string, origin?: string) {
  const address = `${url.replace(/^http/, 'ws')}/api/chat/ws/chat/${sessionId}`;
  let socket: WebSocket;
  let messages: Wire[] = [];
  let closedForGood = false;
  let connections = 0;

  function connect(): void {
    socket = new WebSocket(address, origin === undefined ? {} : { origin });
    socket.on('open', () => {
      connections += 1;
    });
    socket.on('message', (data) => messages.push(JSON.parse(data.toString())));
    socket.on('error', () => {});
    socket.on('close', async () => {
      if (closedForGood) return;
      await sleep(reconnectAfterMs);
      connect();
    });
  }
  connect();
  const opened = () => eventually(async () => socket.readyState === WebSocket.OPEN || undefined);
  await opened();

  return {
    connections: () => connections,
    opened,
    send: (payload: unknown) => socket.send(typeof payload === 'string' ? payload : JSON.stringify(payload)),
    /** Waits until the n-th message has been answered, counted from the last call. */
    async answers(n = 1): Promise<SmartChatAnswer[]> {
      const ends = () => messages.filter(({ type }) => type !== 'chunk').length;
      await eventually(async () => ends() >= n || undefined);
      const found: SmartChatAnswer[] = [];
      let chunks: string[] = [];
      for (const message of messages) {
        if (message.type === 'chunk') chunks.push(message.content);
        else {
          found.push({ text: chunks.join(''), chunks: chunks.length, end: message });
          chunks = [];
        }
      }
      messages = [];
      return found;
    },
    async ask(payload: unknown): Promise<SmartChatAnswer> {
      this.send(payload);
      return (await this.answers())[0]!;
    },
    terminate: () => socket.terminate(),
    close(): void {
      closedForGood = true;
      socket.close();
    },
  };
}
