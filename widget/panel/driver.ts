// Brings every question to its end: sends it, follows its answer, and picks both up again after whatever breaks.
import type { Frame } from '../../domain/chat.ts';
import { type Api, ApiError, framesOf } from './api.ts';
import { type ChatTurn, type Conversation, isOpen } from './conversation.ts';
import type { Visitor } from './visitor.ts';

const longestPauseMs = 15_000;

/** `busy`: the server asked to wait. */
export type Trouble = 'offline' | 'broken' | 'busy' | undefined;

export interface Driver {
  /** Looks whether there is something to do. */
  kick(): void;
  /** Stops a turn: on the server if it has taken it. */
  stop(turn: ChatTurn): Promise<void>;
  destroy(): void;
}

export function createDriver(
  name: string,
  api: Api,
  conversation: Conversation,
  visitor: Pick<Visitor, 'claims'>,
  on: {
    trouble(id: string, trouble: Trouble): void;
    end(turn: ChatTurn): void;
    failed(problem: { code: string; message: string }): void;
  },
): Driver {
  const life = new AbortController();
  let running = false;
  let current: { id: string; abort: AbortController } | undefined;
  let wake: (() => void) | undefined;

  /** One question after the other, and in one tab of the site only: the others read along. */
  async function kick(): Promise<void> {
    if (running || !conversation.turns.some(isOpen)) return;
    running = true;
    const all = async () => {
      for (;;) {
        const turn = conversation.turns.find(isOpen);
        if (!turn || life.signal.aborted) return;
        await drive(turn.id);
      }
    };
    try {
      // Where there are no locks (pages without HTTPS), two tabs may follow the same turn, which does no harm.
      if (navigator.locks) await navigator.locks.request(`${name}:drive`, { signal: life.signal }, all);
      else await all();
    } catch {
      // Destroyed while waiting for the lock.
    }
    running = false;
    if (conversation.turns.some(isOpen) && !life.signal.aborted) void kick();
  }

  async function drive(id: string): Promise<void> {
    const abort = new AbortController();
    const onEnd = () => abort.abort();
    life.signal.addEventListener('abort', onEnd);
    current = { id, abort };
    let position: string | undefined;
    let failures = 0;
    try {
      for (;;) {
        const turn = conversation.find(id);
        if (!turn || !isOpen(turn) || abort.signal.aborted) return;
        try {
          for await (const frame of framesOf(await connect(turn, position, abort.signal))) {
            failures = 0;
            on.trouble(id, undefined);
            if (take(id, frame)) return;
            if (frame.type !== 'start') position = `${frame.attempt}.${frame.seq}`;
          }
          failures++;
        } catch (error) {
          if (abort.signal.aborted) return;
          const problem = error instanceof ApiError ? error : new ApiError(0, 'UNEXPECTED', String(error));
          if (!problem.isTemporary) return fail(turn, problem);
          failures++;
          if (problem.status === 429) on.trouble(id, 'busy');
          await pause(problem.retryAfterMs ?? 0, abort.signal, () => 0);
        }
        if (failures > 1 || !navigator.onLine)
          on.trouble(id, turn.state === 'waiting' ? 'offline' : 'broken');
        await pause(
          Math.min(longestPauseMs, 500 * 2 ** failures),
          abort.signal,
          (ms) => ms * Math.random() * 0.3,
        );
      }
    } finally {
      life.signal.removeEventListener('abort', onEnd);
      current = undefined;
    }
  }

  async function connect(
    turn: ChatTurn,
    position: string | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    if (turn.turnId) {
      try {
        const response = await api.follow(turn, position, signal);
        if (response.status !== 204) return response;
        // Its last frame was sent before: asking for all of it brings that frame again.
        return await api.follow(turn, undefined, signal);
      } catch (error) {
        // A server that does not know the turn any more decides anew about the question.
        if (!(error instanceof ApiError) || error.status !== 404) throw error;
      }
    }
    if (turn.after === undefined) {
      const { lead, conversationId } = conversation;
      const leadSessionId = lead?.stage === 'ready' && lead.email ? lead.sessionId : undefined;
      // Once per conversation is enough.
      const claims = conversationId ? undefined : visitor.claims;
      conversation.change(turn.id, { after: conversationId ?? null, leadSessionId, claims });
    }
    conversation.reset(turn.id);
    const response = await api.ask(conversation.find(turn.id) ?? turn, signal);
    const left = response.headers.get('x-messages-left');
    if (left && conversation.lead) conversation.setLead({ ...conversation.lead, remaining: Number(left) });
    return response;
  }

  /** Takes one frame in. Returns whether it was the last. */
  function take(id: string, frame: Frame): boolean {
    switch (frame.type) {
      case 'start':
        conversation.reset(id);
        conversation.change(id, {
          state: 'working',
          turnId: frame.turnId,
          conversationId: frame.conversationId,
        });
        return false;
      case 'reset':
        conversation.reset(id);
        return false;
      case 'token':
        conversation.write(id, frame.text);
        return false;
      case 'done': {
        const { status: state, reply, sources, closest, offer } = frame;
        const contact = offer?.type === 'email' ? { contactEmail: offer.email } : {};
        end(id, { state, reply: reply || conversation.liveText(id), sources, closest, ...contact });
        return true;
      }
      case 'error':
        // What went wrong behind the question is nothing that its visitor could act on.
        on.failed(frame);
        end(id, { state: 'failed', problem: { code: frame.code } });
        return true;
      default:
        return false;
    }
  }

  function fail(turn: ChatTurn, error: ApiError): void {
    // The conversation is gone (its data was erased or reset): the question begins a new one.
    if (error.code === 'CONVERSATION_NOT_FOUND' && turn.after) {
      conversation.change(turn.id, { after: null, turnId: undefined });
      return;
    }
    // The visitor's session has ended, so they are asked again.
    if (error.code === 'ASSISTANT_SESSION_NOT_FOUND') conversation.setLead(undefined);
    const { code, message } = error;
    on.failed({ code, message });
    end(turn.id, { state: 'failed', problem: { code, message } });
  }

  function end(id: string, values: Partial<ChatTurn>): void {
    conversation.change(id, values);
    const turn = conversation.find(id);
    if (turn) on.end(turn);
  }

  /** Waits, at most until the browser is online again. */
  async function pause(ms: number, signal: AbortSignal, jitter: (ms: number) => number): Promise<void> {
    if (ms === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms + jitter(ms));
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
      signal.addEventListener('abort', wake);
    });
  }

  const online = () => wake?.();
  addEventListener('online', online);

  return {
    kick: () => void kick(),
    async stop(turn) {
      if (turn.turnId && turn.state === 'working') {
        try {
          await api.cancel(turn);
          return;
        } catch {
          // The visitor wants it gone: this page stops listening, and the server records what it will.
        }
      }
      const latest = conversation.find(turn.id);
      if (!latest || !isOpen(latest)) return;
      end(turn.id, { state: 'cancelled', reply: conversation.liveText(turn.id) });
      if (current?.id === turn.id) current.abort.abort();
    },
    destroy() {
      life.abort();
      removeEventListener('online', online);
    },
  };
}
