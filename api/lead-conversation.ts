import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Turn } from '../domain/chat.ts';
import { leadConversation } from '../domain/leads.ts';
import type { ProjectSettings } from '../domain/projects.ts';
import type { LeadSession } from '../stores/postgres/lead-sessions.ts';
import type { AcceptedTurn } from '../stores/postgres/turn-acceptance.ts';
import type { AppDependencies } from './app.ts';
import { idempotencyOf } from './idempotency.ts';
import { closed } from './turn-streams.ts';
import { acceptTurn, recordedTurn, usageOf } from './turns.ts';

export type LeadConversation = ReturnType<typeof createLeadConversation>;

/** The chat of a lead session: ordinary turns, in a conversation that belongs to the lead. */
export function createLeadConversation(deps: AppDependencies) {
  const { leadSessions: sessions } = deps.stores;

  /** Turns from chatting to asking who the visitor is. */
  async function ask(
    projectId: string,
    session: LeadSession,
    settings: ProjectSettings,
  ): Promise<LeadSession> {
    const dispatch = await sessions.ask(projectId, session.id, settings);
    if (dispatch) deps.dispatcher.startSoon(dispatch);
    return { ...session, stage: 'awaiting_name' };
  }

  /** Takes a message of the session's visitor in. Throws ASSISTANT_MESSAGE_LIMIT_REACHED. */
  async function accept(
    request: FastifyRequest,
    session: LeadSession,
    message: string,
    operation: string,
  ): Promise<AcceptedTurn> {
    const { projectId } = request;
    const { leadId } = session;
    const accepted = await acceptTurn(
      deps,
      request,
      {
        message,
        conversation: { sessionId: leadConversation(session.id) },
        ...(leadId === null ? {} : { leadId }),
      },
      idempotencyOf(request, operation),
    );
    if (!session.conversationId) {
      await sessions.setConversation(projectId, session.id, accepted.conversationId);
    }
    return accepted;
  }

  return {
    ask,
    accept,

    /** Throws ASSISTANT_MESSAGE_LIMIT_REACHED, TURN_FAILED and TURN_CANCELLED. */
    async answer(
      request: FastifyRequest,
      reply: FastifyReply,
      session: LeadSession,
      message: string,
    ): Promise<{ turn: Turn; body: ReturnType<typeof chatReplyOf> }> {
      const accepted = await accept(request, session, message, 'assistant');
      const turn = await recordedTurn(deps, request, accepted, closed(reply));
      return { turn, body: chatReplyOf(turn) };
    },

    /** Where the project asks during the chat: whether this answer is the moment. */
    async askIfDue(
      projectId: string,
      session: LeadSession,
      settings: ProjectSettings,
      turn: Turn,
    ): Promise<LeadSession | undefined> {
      const { mode, afterAnswers } = settings.leads;
      if (session.stage !== 'open') return undefined;
      const due =
        (mode === 'unanswered' && turn.status === 'declined') ||
        (mode === 'after' && (await sessions.answers(projectId, session.id)) >= afterAnswers);
      return due ? await ask(projectId, session, settings) : undefined;
    },

    /** The answers to what was asked before the visitor was verified. What cannot be answered is left out. */
    async keptAnswers(request: FastifyRequest, session: LeadSession, reply: FastifyReply): Promise<Turn[]> {
      const answers: Turn[] = [];
      for (const { turnId } of await sessions.keptQuestions(request.projectId, session.id)) {
        if (!turnId || !session.conversationId) continue;
        const accepted = { turnId, conversationId: session.conversationId, dispatch: undefined };
        const turn = await recordedTurn(deps, request, accepted, closed(reply)).catch(() => undefined);
        if (turn) answers.push(turn);
      }
      return answers;
    },
  };
}

/** A recorded turn as the native chat call shows it. */
const chatReplyOf = (turn: Turn) => ({
  reply: turn.reply ?? '',
  conversationId: turn.conversationId,
  turnId: turn.id,
  usage: usageOf(turn),
  sources: turn.sources,
  ...(turn.status === 'declined' ? { closest: turn.closest } : {}),
  ...(turn.offer ? { offer: turn.offer } : {}),
});
