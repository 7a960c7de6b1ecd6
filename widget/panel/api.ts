// The calls of the chat, as docs/chat.md describes them.
import type { Frame } from '../../domain/chat.ts';
import type { ChatTurn } from './conversation.ts';

/** The server keeps a quiet connection alive every 15 s; after this long without a word it is dead. */
const silenceMs = 40_000;

/** What the server refused, with its reason; or, with status 0, that it could not be reached. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfterMs: number | undefined;
  constructor(status: number, code: string, message: string, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
  /** Whether the same call may succeed later. */
  get isTemporary(): boolean {
    // Other limits than that of calls a minute do not end by waiting.
    return this.status === 0 || this.status >= 500 || this.code === 'RATE_LIMIT_EXCEEDED';
  }
}

export interface LeadReply {
  sessionId: string;
  stage: 'awaiting_name' | 'awaiting_email' | 'awaiting_otp' | 'ready';
  reply: string;
  /** What became of what the visitor entered: `code_sent` and others. */
  outcome?: string;
}

export interface SignInReply {
  token: string | null;
  user_name: string | null;
  error: string | null;
}

export type Api = ReturnType<typeof createApi>;

/** `token` is what proves who the visitor is, if anything does. */
export function createApi(
  { apiUrl, apiKey }: { apiUrl: string; apiKey: string },
  token: () => string | undefined,
) {
  async function call(
    path: string,
    init: { body?: object; headers?: Record<string, string>; signal?: AbortSignal } = {},
  ): Promise<Response> {
    const response = await fetch(apiUrl + path, {
      method: init.body ? 'POST' : 'GET',
      headers: {
        'x-api-key': apiKey,
        ...(init.body ? { 'content-type': 'application/json' } : {}),
        ...init.headers,
      },
      body: init.body && JSON.stringify(init.body),
      signal: init.signal,
    }).catch((error: unknown) => {
      throw new ApiError(0, 'UNREACHABLE', String(error));
    });
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))) as { code?: string; message?: string };
    const retryAfter = Number(response.headers.get('retry-after')) * 1000 || undefined;
    const message = problem.message ?? `The server answered with status ${response.status}.`;
    throw new ApiError(response.status, problem.code ?? 'UNKNOWN', message, retryAfter);
  }

  const tokenHeader = (): Record<string, string> => {
    const proof = token();
    return proof ? { 'x-visitor-token': proof } : {};
  };
  const lead = async (path: string, body: object): Promise<LeadReply> =>
    (await call(`/assistant/${path}`, { body })).json();
  const ofTurn = ({ turnId, conversationId }: ChatTurn, action: string) =>
    `/v1/chat/turns/${turnId}/${action}?conversationId=${conversationId}`;

  return {
    /** Asks. The same turn again gives the same answer from its beginning, however often it is asked. */
    ask: (turn: ChatTurn, signal: AbortSignal) =>
      call('/v1/chat/turns', {
        body: {
          message: turn.question,
          ...(turn.leadSessionId
            ? { leadSessionId: turn.leadSessionId }
            : turn.after
              ? { conversationId: turn.after }
              : {}),
          ...(turn.claims ? { visitor: turn.claims } : {}),
        },
        headers: { accept: 'text/event-stream', 'idempotency-key': turn.id, ...tokenHeader() },
        signal,
      }),
    /** Follows a turn that the server has taken, from the beginning or after a position. */
    follow: (turn: ChatTurn, position: string | undefined, signal: AbortSignal) =>
      call(ofTurn(turn, 'events'), { headers: position ? { 'last-event-id': position } : {}, signal }),
    cancel: (turn: ChatTurn) => call(ofTurn(turn, 'cancel'), { body: {} }),
    rate: (turn: ChatTurn, rating: 'up' | 'down' | null, text?: string) =>
      call(ofTurn(turn, 'feedback'), { body: { rating, ...(text ? { text } : {}) } }),

    signIn: async (email: string, password: string): Promise<SignInReply> =>
      (await call(`/api/auth/login/${encodeURIComponent(apiKey)}`, { body: { email, password } })).json(),

    leadStart: (language: string) => lead('chat', { language }),
    /** Where the project asks visitors only during the chat. */
    leadAsk: (sessionId: string) => lead('chat', { sessionId, leaveContact: true }),
    leadSay: (sessionId: string, message: string, fields: Record<string, string>) =>
      lead('chat', { sessionId, message, fields }),
    leadVerify: (sessionId: string, otp: string) => lead('verify-otp', { sessionId, otp }),
    leadResend: (sessionId: string) => lead('resend-otp', { sessionId }),
  };
}

/** The frames in a response, which comes as lines of JSON or as server-sent events of one line of JSON each. */
export async function* framesOf(response: Response): AsyncGenerator<Frame> {
  if (!response.body) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const hasKeepAlive = response.headers.get('content-type')?.includes('event-stream');
  let rest = '';
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    for (;;) {
      const silence = new Promise<never>((_, reject) => {
        if (hasKeepAlive) timer = setTimeout(() => reject(new ApiError(0, 'SILENT', 'silent')), silenceMs);
      });
      const { done, value } = await Promise.race([reader.read(), silence]);
      clearTimeout(timer);
      const lines = (rest + decoder.decode(value, { stream: !done })).split('\n');
      rest = done ? '' : (lines.pop() ?? '');
      for (const line of lines) {
        const json = line.replace(/^data: ?/, '');
        if (json.startsWith('{')) yield JSON.parse(json) as Frame;
      }
      if (done) return;
    }
  } catch (error) {
    throw error instanceof ApiError ? error : new ApiError(0, 'CONNECTION_LOST', String(error));
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => {});
  }
}
