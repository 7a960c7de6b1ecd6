import { setTimeout } from 'node:timers/promises';
import { lead as timing } from '../domain/deadlines.ts';
import { AppError } from '../domain/errors.ts';
import { codeIn, isQuestion, type StepResult } from '../domain/leads.ts';
import { isUuid } from '../stores/postgres/client.ts';
import type { HeldInput, LeadSession, NewInput } from '../stores/postgres/lead-sessions.ts';
import type { AppDependencies } from './app.ts';

/** What became of an entry, and the session after it. */
export interface Entered {
  result: StepResult;
  session: LeadSession;
  /** What was stored for it. */
  inputId?: string;
}

/** A message that answers nothing: `other` is not a question either. */
export interface NoEntry {
  is: 'chat' | 'question' | 'other';
  session: LeadSession;
}

/** Stores what a visitor enters, tells the session's workflow, and returns the workflow's answer. */
export function createLeadEntries(deps: Pick<AppDependencies, 'stores' | 'leadFlow'>) {
  const { leadSessions: sessions, leadSteps } = deps.stores;

  /** Throws ASSISTANT_SESSION_NOT_FOUND, and RATE_LIMIT_EXCEEDED where it is blocked. */
  async function find(projectId: string, sessionId: string): Promise<LeadSession> {
    const session = isUuid(sessionId) ? await sessions.get(projectId, sessionId) : undefined;
    if (!session || session.stage === 'expired') throw new AppError('ASSISTANT_SESSION_NOT_FOUND');
    if (session.stage === 'blocked') {
      throw new AppError('RATE_LIMIT_EXCEEDED', { details: { retryAfterSeconds: 1_800, reason: 'blocked' } });
    }
    return session;
  }

  async function enter(projectId: string, session: LeadSession, input: NewInput): Promise<Entered> {
    const held = await sessions.hold(projectId, session.id, input);
    if (!held) throw new AppError('RATE_LIMIT_EXCEEDED', { details: { retryAfterSeconds: 1_800 } });
    return await finish(projectId, session, held);
  }

  /** The visitor goes on from what is recorded; a workflow that lost an earlier step would refuse the next one. */
  async function tellEarlier(
    projectId: string,
    sessionId: string,
    held: HeldInput,
  ): Promise<'silent' | undefined> {
    for (const earlier of await sessions.undelivered(projectId, sessionId)) {
      if (earlier.id === held.id) continue;
      if ((await deps.leadFlow.tell(sessionId, earlier)) === 'silent') return 'silent';
      await sessions.delivered(projectId, earlier.id);
    }
    return undefined;
  }

  /** The workflow's answer for what is stored. It is told again even where its step is recorded: it may have died with it. */
  async function finish(projectId: string, session: LeadSession, held: HeldInput): Promise<Entered> {
    const told =
      (await tellEarlier(projectId, session.id, held)) ?? (await deps.leadFlow.tell(session.id, held));
    if (told === 'silent') {
      await sessions.release(projectId, held.id);
      throw new AppError('SERVICE_UNAVAILABLE', {
        message: 'Nobody can work on this at the moment. Send the same again shortly: it counts once.',
        details: { retryAfterSeconds: 2 },
      });
    }
    const answer = told === 'gone' ? await sessions.outcome(projectId, held.id) : told;
    if (!answer) {
      // It has just ended, by another call or by its timer; or an operator ended it, and nothing records that.
      await sessions.end(projectId, session.id, { stage: 'expired', reason: 'Its workflow was ended.' });
      const after = await find(projectId, session.id);
      return {
        result: { stage: after.stage, outcome: 'code_not_pending' },
        session: after,
        inputId: held.id,
      };
    }
    // A blocked or expired session still gets its last answer.
    const after = (await sessions.get(projectId, session.id)) ?? session;
    return { result: answer, session: after, inputId: held.id };
  }

  /**
   * What an earlier call like this one left, once that call is over: it may be answering at this moment, here or in another
   * process, or have died with its process.
   */
  async function leftBy(
    projectId: string,
    sessionId: string,
    inputs: readonly NewInput[],
  ): Promise<HeldInput | undefined> {
    for (;;) {
      const left = await sessions.takeOver(projectId, sessionId, inputs);
      if (left !== 'held') return left;
      await setTimeout(timing.holdPoll);
    }
  }

  const codeOf = (sessionId: string, code: string): NewInput => ({
    kind: 'code',
    value: leadSteps.hashOf(sessionId, code),
  });

  /**
   * Answers as an earlier call was answered whose reply did not get out, or runs `work` on the session as the calls before
   * this one have left it.
   */
  const inTurn = <T>(
    projectId: string,
    sessionId: string,
    inputs: readonly NewInput[],
    work: (session: LeadSession) => Promise<T>,
  ): Promise<T | Entered> =>
    deps.leadFlow.inTurn(sessionId, async () => {
      const repeated = isUuid(sessionId) ? await leftBy(projectId, sessionId, inputs) : undefined;
      const session = await find(projectId, sessionId);
      return repeated ? await finish(projectId, session, repeated) : await work(session);
    });

  return {
    find,

    /** Once the reply to an entry is out. Before, the same call again gets the same answer. */
    async delivered(projectId: string, { inputId }: Entered): Promise<void> {
      if (inputId !== undefined) await sessions.delivered(projectId, inputId);
    },

    async code(projectId: string, sessionId: string, text: string): Promise<Entered> {
      // What is no code at all costs a try, too.
      const input = codeOf(sessionId, codeIn(text) ?? text);
      return await inTurn(projectId, sessionId, [input], async (session) =>
        session.stage === 'awaiting_otp' ? await enter(projectId, session, input) : notPending(session),
      );
    },

    async resend(projectId: string, sessionId: string): Promise<Entered> {
      const input = { kind: 'resend', value: '' } as const;
      return await inTurn(projectId, sessionId, [input], async (session) =>
        session.stage === 'awaiting_otp' ? await enter(projectId, session, input) : notPending(session),
      );
    },

    /** A message by what the session waits for: its result where it was an answer, else what it is. */
    async message(projectId: string, sessionId: string, message: string): Promise<Entered | NoEntry> {
      const digits = codeIn(message);
      const name: NewInput = { kind: 'name', value: message };
      const email: NewInput = { kind: 'email', value: message };
      const code = digits === undefined ? undefined : codeOf(sessionId, digits);
      const inputs = code ? [name, email, code] : [name, email];
      return await inTurn(projectId, sessionId, inputs, async (session): Promise<Entered | NoEntry> => {
        const hasAddress = message.includes('@');
        switch (session.stage) {
          case 'open':
          case 'ready':
            return { is: 'chat', session };
          case 'awaiting_name':
            if (isQuestion(message)) return { is: 'question', session };
            return await enter(projectId, session, name);
          case 'awaiting_otp':
            if (code) return await enter(projectId, session, code);
            if (hasAddress) return await enter(projectId, session, email);
            return { is: isQuestion(message) ? 'question' : 'other', session };
          default:
            if (!hasAddress && isQuestion(message)) return { is: 'question', session };
            return await enter(projectId, session, email);
        }
      });
    },
  };
}

const notPending = (session: LeadSession): Entered => ({
  result: { stage: session.stage, outcome: 'code_not_pending' },
  session,
});
