// The page script of an assistants proxy as its contract has it: it parses one event in each chunk that it is handed.

// biome-ignore lint/suspicious/noExplicitAny: events as they come
export type ProxyEvent = any;

export interface ProxyReply {
  status: number;
  contentType: string;
  chunks: string[];
  /** When each chunk came, in milliseconds. */
  times: number[];
  events: ProxyEvent[];
}

export function createProxyClient(baseUrl: string, headers: Record<string, string>) {
  return {
    async createThread() {
      const response = await fetch(`${baseUrl}/create-thread`, { headers });
      return {
        status: response.status,
        headers: response.headers,
        json: (await response.json()) as ProxyEvent,
      };
    },

    async processMessage(
      body: unknown,
      onEvent: (event: ProxyEvent) => void = () => {},
    ): Promise<ProxyReply> {
      const response = await fetch(`${baseUrl}/process-message`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
      const reply: ProxyReply = {
        status: response.status,
        contentType: response.headers.get('content-type') ?? '',
        chunks: [],
        times: [],
        events: [],
      };
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        reply.chunks.push(chunk);
        reply.times.push(performance.now());
        const event = JSON.parse(chunk.replace(/^data: /, ''));
        reply.events.push(event);
        onEvent(event);
      }
      return reply;
    },
  };
}
