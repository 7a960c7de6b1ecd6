// The AskMySite widget as its contract has it, without the page around it.
export interface AskMySiteReply {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: replies as they come
  json: any;
}

/** Keeps what its server gives it, as the widget does in localStorage, and sends it with the next message. */
export function createAskMySiteClient(apiBaseUrl: string, apiKey: string | undefined, origin?: string) {
  let sessionToken: string | undefined;

  async function call(path: string, init: RequestInit = {}): Promise<AskMySiteReply> {
    const response = await fetch(`${apiBaseUrl}/api/chatbot/${path}`, {
      ...init,
      headers: {
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
        ...(origin === undefined ? {} : { origin }),
        ...(init.headers as Record<string, string>),
      },
    });
    return { status: response.status, headers: response.headers, json: await response.json() };
  }

  return {
    config: () => call('config'),
    token: () => sessionToken,
    keepToken: (token: string | undefined) => {
      sessionToken = token;
    },
    async chat(message: unknown, extra: object = {}): Promise<AskMySiteReply> {
      const reply = await call('chat', {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(sessionToken === undefined ? {} : { 'x-session-token': sessionToken }),
        },
        body: typeof message === 'object' ? JSON.stringify(message) : JSON.stringify({ message, ...extra }),
      });
      if (reply.json.sessionToken) sessionToken = reply.json.sessionToken;
      return reply;
    },
    raw: (body: string, contentType = 'application/json') =>
      call('chat', { method: 'POST', headers: { 'content-type': contentType }, body }),
  };
}
