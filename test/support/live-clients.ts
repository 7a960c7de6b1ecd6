// Clients of live answers, as a widget is one: they read frames, can be cut off at any moment, and resume.
import { WebSocket } from 'ws';

// biome-ignore lint/suspicious/noExplicitAny: frames as they come
export type WireFrame = any;

/** The frames of a response in server-sent events, each with the id it came under; comments are counted. */
export async function* readEvents(
  response: Response,
  onComment: () => void = () => {},
): AsyncGenerator<{ id: string; frame: WireFrame }> {
  let rest = '';
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    const events = (rest + part).split('\n\n');
    rest = events.pop()!;
    for (const event of events) {
      const lines = event.split('\n');
      if (lines.every((line) => line.startsWith(':'))) onComment();
      else {
        const field = (name: string) =>
          lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
        yield { id: field('id')!, frame: JSON.parse(field('data')!) };
      }
    }
  }
}

/** Lines of JSON as they come. */
export async function* readLines(response: Response): AsyncGenerator<WireFrame> {
  let rest = '';
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split('\n');
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line);
  }
}

/** A socket whose messages are read one after the other. `next` rejects when it closes before there is one. */
export async function openSocket(url: string, headers: Record<string, string> = {}) {
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/chat/socket`, {
    headers,
    handshakeTimeout: 10_000,
  });
  const messages: WireFrame[] = [];
  let wake = () => {};
  let end: { code: number } | undefined;
  socket.on('message', (data) => {
    messages.push(JSON.parse(data.toString()));
    wake();
  });
  const closed = new Promise<{ code: number }>((resolve) => {
    socket.on('close', (code) => {
      end = { code };
      wake();
      resolve(end);
    });
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  return {
    socket,
    closed,
    send: (message: object) => socket.send(JSON.stringify(message)),
    async next(): Promise<WireFrame> {
      for (;;) {
        const message = messages.shift();
        if (message) return message;
        if (end) throw new Error('', { cause: { code: `socket closed with ${end.code}` } });
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    /** Reads until a message of one of the types has come; returns all that were read. */
    async until(...types: string[]): Promise<WireFrame[]> {
      const read: WireFrame[] = [];
      while (!types.includes(read.at(-1)?.type)) read.push(await this.next());
      return read;
    },
  };
}

export type Screen = ReturnType<typeof createScreen>;

/** What a reader of frames has on its screen. */
export function createScreen() {
  let text = '';
  let position: string | undefined;
  let last: WireFrame;
  return {
    show(frame: WireFrame): void {
      if (last) throw new Error(`a frame after the last one: ${JSON.stringify(frame)}`);
      position = `${frame.attempt}.${frame.seq}`;
      if (frame.type === 'reset') text = '';
      if (frame.type === 'token') text += frame.text;
      if (frame.type === 'done' || frame.type === 'error') last = frame;
    },
    text: () => text,
    position: () => position,
    last: () => last,
  };
}
