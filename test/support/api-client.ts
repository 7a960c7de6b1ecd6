import { setTimeout } from 'node:timers/promises';
import { expect } from 'vitest';

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into replies of any shape
  json: any;
}

/** Calls an API as an integrator does. */
export function createApiClient(url: string, key: string | undefined) {
  async function call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(key === undefined ? {} : { 'x-api-key': key }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: parse(text) };
  }

  return {
    call,

    async upload(
      content: string,
      metadata: object = {},
      headers: Record<string, string> = {},
    ): Promise<string> {
      const answer = await call('POST', '/upload-doc', { content, metadata }, headers);
      expect(answer.status, answer.text).toBe(202);
      return answer.json.document.id;
    },

    /** Waits until the document is ready; fails when it fails. */
    async ready(documentId: string, withinMs = 30_000, everyMs = 50): Promise<Answer['json']> {
      return await eventually(
        async () => {
          const answer = await call('GET', `/documents/${documentId}`);
          if (answer.json.document.status === 'failed') throw new Error(answer.text);
          return answer.json.document.status === 'ready' ? answer.json.document : undefined;
        },
        withinMs,
        everyMs,
      );
    },

    async ask(message: string, extra: object = {}, headers: Record<string, string> = {}): Promise<Answer> {
      return await call('POST', '/chat', { message, ...extra }, headers);
    },

    /** Streams a turn and calls `onLine` for each line as it comes. Returns all lines. */
    async stream(
      path: string,
      body: object,
      // biome-ignore lint/suspicious/noExplicitAny: a test looks into lines of any shape
      onLine: (line: any) => void = () => {},
      // biome-ignore lint/suspicious/noExplicitAny: a test looks into lines of any shape
    ): Promise<any[]> {
      const response = await fetch(url + path, {
        method: 'POST',
        headers: { 'x-api-key': key ?? '', 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      expect(response.status).toBe(200);
      const lines = [];
      let rest = '';
      for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
        const parts = (rest + part).split('\n');
        rest = parts.pop()!;
        for (const line of parts.map(parse)) {
          lines.push(line);
          onLine(line);
        }
      }
      return lines;
    },
  };
}

/** Tries again and again until it returns something. */
export async function eventually<T>(
  look: () => Promise<T | undefined>,
  withinMs = 30_000,
  everyMs = 50,
): Promise<T> {
  const end = Date.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`did not happen within ${withinMs} ms: ${look}`);
    await setTimeout(everyMs);
  }
}

function parse(text: string) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
