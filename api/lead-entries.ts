import { AppError } from '../domain/errors.ts';
import { codeIn, isQuestion, type StepResult } from '../domain/leads.ts';
import { isUuid } from '../stores/postgres/client.ts';
import type { HeldInput, LeadSession, NewInput } from '../stores/postgres/lead-sessions.ts';
import type { AppDependencies } from './app.ts';

/** What became of an entry, and the session after it. */
export interface Entered {
  result: StepResult;
  session: LeadSession;
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

  /** The answer for what is stored: the one that is recorded, or the workflow's. */
  async function finish(projectId: string, session: LeadSession, held: HeldInput): Promise<Entered> {
    const answer = held.outcome ?? (await deps.leadFlow.tell(session.id, held));
    if (answer === 'silent') {
      await sessions.release(projectId, held.id);
      throw new AppError('SERVICE_UNAVAILABLE', {
        message: 'Nobody can work on this at the moment. Send the same again shortly: it counts once.',
        details: { retryAfterSeconds: 2 },
      });
    }
    await sessions.delivered(projectId, held.id);
    if (answer === 'gone') {
      // It has just ended, by another call or by its timer; or an operator ended it, and nothing records that.
      await sessions.end(projectId, session.id, { stage: 'expired', reason: 'Its workflow was ended.' });
      const after = await find(projectId, session.id);
      return { result: { stage: after.stage, outcome: 'code_not_pending' }, session: after };
    }
    // A blocked or expired session still gets its last answer.
    return { result: answer, session: (await sessions.get(projectId, session.id)) ?? session };
  }

  const codeOf = (session: LeadSession, code: string): NewInput => ({
    kind: 'code',
    value: leadSteps.hashOf(session.id, code),
  });

  /** On the session as the calls before this one have left it. */
  const inTurn = <T>(projectId: string, sessionId: string, work: (session: LeadSession) => Promise<T>) =>
    deps.leadFlow.inTurn(sessionId, async () => await work(await find(projectId, sessionId)));

  return {
    find,

    async code(projectId: string, sessionId: string, text: string): Promise<Entered> {
      return await inTurn(projectId, sessionId, async (session) => {
        const code = codeIn(text);
        if (code !== undefined) {
          const repeated = await sessions.takeOver(projectId, session.id, [codeOf(session, code)]);
          if (repeated) return await finish(projectId, session, repeated);
        }
        if (session.stage !== 'awaiting_otp') return notPending(session);
        // What is no code at all costs a try, too.
        return await enter(projectId, session, codeOf(session, code ?? text));
      });
    },

    async resend(projectId: string, sessionId: string): Promise<Entered> {
      return await inTurn(projectId, sessionId, async (session) => {
        const input = { kind: 'resend', value: '' } as const;
        const repeated = await sessions.takeOver(projectId, session.id, [input]);
        if (repeated) return await finish(projectId, session, repeated);
        if (session.stage !== 'awaiting_otp') return notPending(session);
        return await enter(projectId, session, input);
      });
    },

    /** A message by what the session waits for: its result where it was an answer, else what it is. */
    async message(projectId: string, sessionId: string, message: string): Promise<Entered | NoEntry> {
      return await inTurn(projectId, sessionId, async (session) => {
        if (session.stage === 'open') return { is: 'chat', session };
        const code = codeIn(message);
        const repeated = await sessions.takeOver(projectId, session.id, [
          { kind: 'name', value: message },
          { kind: 'email', value: message },
          ...(code === undefined ? [] : [codeOf(session, code)]),
        ]);
        if (repeated) return await finish(projectId, session, repeated);
        const hasAddress = message.includes('@');
        switch (session.stage) {
          case 'ready':
            return { is: 'chat', session };
          case 'awaiting_name':
            if (isQuestion(message)) return { is: 'question', session };
            return await enter(projectId, session, { kind: 'name', value: message });
          case 'awaiting_otp':
            if (code !== undefined) return await enter(projectId, session, codeOf(session, code));
            if (hasAddress) return await enter(projectId, session, { kind: 'email', value: message });
            return { is: isQuestion(message) ? 'question' : 'other', session };
          default:
            if (!hasAddress && isQuestion(message)) return { is: 'question', session };
            return await enter(projectId, session, { kind: 'email', value: message });
        }
      });
    },
  };
}

const notPending = (session: LeadSession): Entered => ({
  result: { stage: session.stage, outcome: 'code_not_pending' },
  session,
});
