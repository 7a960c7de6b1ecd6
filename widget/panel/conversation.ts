// What was said: kept in the page's storage, in step with the site's other tabs.
import type { ClosestDocument, Source } from '../../domain/chat.ts';
import { store, stored } from '../loader/settings.ts';
import type { Claims } from './claims.ts';

export interface ChatTurn {
  /** Made here; also the Idempotency-Key, so that asking again is safe. */
  id: string;
  question: string;
  /** Written with the formatting buttons, and shown as what they made. */
  formatted: boolean;
  askedAt: number;
  /** `waiting`: not taken by the server yet. `working`: it will be answered, whatever happens to this page. */
  state: 'waiting' | 'working' | 'answered' | 'declined' | 'cancelled' | 'failed';
  /** The conversation that it was asked in; null: a new one. Fixed when it is first sent, as the body must stay the same. */
  after?: string | null;
  /** Who the visitor is as the page said, with the first question of a conversation. */
  claims?: Claims;
  /** The verified visitor's session, instead of a conversation. */
  leadSessionId?: string;
  turnId?: string;
  conversationId?: string;
  reply: string;
  sources: Source[];
  closest: ClosestDocument[];
  /** Where a person can be written to, as there was no answer. */
  contactEmail?: string;
  rating?: 'up' | 'down';
  /** Why it failed: the server's code for it, and its words where they may be for the visitor. */
  problem?: { code: string; message?: string };
}

export interface Lead {
  sessionId: string;
  stage: 'awaiting_name' | 'awaiting_email' | 'awaiting_otp' | 'ready';
  name?: string;
  email?: string;
  /** Messages left, where they are limited. */
  remaining?: number;
  /** When another code may be sent, in milliseconds since 1970. */
  resendAt?: number;
}

interface Saved {
  conversationId?: string;
  turns: ChatTurn[];
  lead?: Lead;
  unread: number;
  /** Whether an answer is still to come: the next page then loads the panel at once. */
  busy: boolean;
  /** The visitor has closed the panel once: `data-open` opens it no more. */
  closed?: boolean;
}

export type Change =
  | { kind: 'turn'; turn: ChatTurn }
  | { kind: 'live'; id: string; offset: number; text: string }
  | { kind: 'remove'; id: string }
  | { kind: 'clear' }
  | { kind: 'lead'; lead: Lead | undefined }
  | { kind: 'unread'; count: number }
  | { kind: 'closed' };
type Message = Change | { kind: 'want'; id: string };

const keptTurns = 100;
export const isOpen = ({ state }: ChatTurn) => state === 'waiting' || state === 'working';

export type Conversation = ReturnType<typeof createConversation>;

/** `onChange` hears of every change, in whichever tab it was made. */
export function createConversation(name: string, onChange: (change: Change) => void) {
  const saved: Saved = { turns: [], unread: 0, busy: false, ...stored<Saved>(name) };
  /** The text so far of answers that are being written. */
  const live = new Map<string, string>();
  const channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel(name) : undefined;

  function save(): void {
    saved.turns = saved.turns.slice(-keptTurns);
    saved.busy = saved.turns.some(isOpen);
    store(name, saved);
  }
  function apply(change: Change): void {
    switch (change.kind) {
      case 'turn': {
        const index = saved.turns.findIndex(({ id }) => id === change.turn.id);
        if (index < 0) saved.turns.push(change.turn);
        else saved.turns[index] = change.turn;
        if (change.turn.conversationId) saved.conversationId = change.turn.conversationId;
        if (!isOpen(change.turn)) live.delete(change.turn.id);
        break;
      }
      case 'live':
        live.set(change.id, (live.get(change.id) ?? '').slice(0, change.offset) + change.text);
        break;
      case 'remove':
        saved.turns = saved.turns.filter(({ id }) => id !== change.id);
        break;
      case 'clear':
        Object.assign(saved, { turns: [], conversationId: undefined, unread: 0 });
        live.clear();
        break;
      case 'lead':
        saved.lead = change.lead;
        break;
      case 'unread':
        saved.unread = change.count;
        break;
      case 'closed':
        saved.closed = true;
        break;
    }
    onChange(change);
  }
  function make(change: Change): void {
    apply(change);
    channel?.postMessage(change);
    if (change.kind !== 'live') save();
  }

  channel?.addEventListener('message', ({ data }: MessageEvent<Message>) => {
    if (data.kind === 'want') {
      const text = live.get(data.id);
      if (text) channel.postMessage({ kind: 'live', id: data.id, offset: 0, text });
    } else if (data.kind === 'live' && data.offset > (live.get(data.id) ?? '').length) {
      // This tab was opened in the middle of the answer.
      channel.postMessage({ kind: 'want', id: data.id });
    } else apply(data);
  });

  return {
    get turns(): readonly ChatTurn[] {
      return saved.turns;
    },
    get conversationId() {
      return saved.conversationId;
    },
    get lead() {
      return saved.lead;
    },
    get unread() {
      return saved.unread;
    },
    find: (id: string) => saved.turns.find((turn) => turn.id === id),
    liveText: (id: string) => live.get(id) ?? '',

    ask(question: string, formatted: boolean): ChatTurn {
      const turn: ChatTurn = {
        id: newId(),
        question,
        formatted,
        askedAt: Date.now(),
        state: 'waiting',
        reply: '',
        sources: [],
        closest: [],
      };
      make({ kind: 'turn', turn });
      return turn;
    },
    change(id: string, values: Partial<ChatTurn>): void {
      const turn = saved.turns.find((candidate) => candidate.id === id);
      // Cleared meanwhile.
      if (turn) make({ kind: 'turn', turn: { ...turn, ...values } });
    },
    write(id: string, text: string): void {
      make({ kind: 'live', id, offset: (live.get(id) ?? '').length, text });
    },
    reset: (id: string) => make({ kind: 'live', id, offset: 0, text: '' }),
    setLead: (lead: Lead | undefined) => make({ kind: 'lead', lead }),
    setUnread(count: number): void {
      if (count !== saved.unread) make({ kind: 'unread', count });
    },
    setClosed(): void {
      if (!saved.closed) make({ kind: 'closed' });
    },
    remove: (id: string) => make({ kind: 'remove', id }),
    clear: () => make({ kind: 'clear' }),
    close: () => channel?.close(),
  };
}

/** `crypto.randomUUID` exists only on pages with HTTPS. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}
