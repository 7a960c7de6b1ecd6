import { resolveMx } from 'node:dns/promises';
import { ApplicationFailure } from '@temporalio/common';
import mailChecker from 'mailchecker';
import { lead as timing } from '../../domain/deadlines.ts';
import { AppError } from '../../domain/errors.ts';
import type { Dispatch, LeadVerificationInput } from '../../domain/flows.ts';
import { emailIn, leadConversation, nameIn, type SessionStage, type StepResult } from '../../domain/leads.ts';
import type { Step } from '../../stores/postgres/lead-steps.ts';
import type { ActivityDependencies } from '../index.ts';

type LeadDependencies = Pick<ActivityDependencies, 'stores' | 'dispatcher'>;
type Session = Pick<LeadVerificationInput, 'projectId' | 'sessionId'>;

/** What the workflow learns of a step: no name, no address, no code. */
export type StepOutcome = StepResult & { leadId?: string };

export function createLeadActivities({ stores, dispatcher }: LeadDependencies) {
  const steps = stores.leadSteps;
  const started = ({ result, leadId, dispatches }: Step): StepOutcome => {
    for (const dispatch of dispatches) dispatcher.startSoon(dispatch);
    return leadId === undefined ? result : { ...result, leadId };
  };

  return {
    async takeName({ projectId, sessionId }: Session, inputId: string): Promise<StepOutcome> {
      const name = nameIn(await steps.value(projectId, sessionId, inputId));
      const project = await stores.leadSessions.settings(projectId);
      if (name === undefined) {
        const refused = { outcome: 'name_invalid', project } as const;
        return started(await steps.refuse(projectId, sessionId, inputId, refused));
      }
      return started(await steps.takeName(projectId, sessionId, inputId, { name, project }));
    },

    async takeEmail({ projectId, sessionId }: Session, inputId: string): Promise<StepOutcome> {
      const email = emailIn(await steps.value(projectId, sessionId, inputId));
      const project = await stores.leadSessions.settings(projectId);
      const fault =
        email === undefined
          ? 'email_invalid'
          : isDisposable(email)
            ? 'email_disposable'
            : project.settings.leads.checkMailServer && !(await takesMail(email))
              ? 'email_without_server'
              : undefined;
      if (fault || email === undefined) {
        const refused = { outcome: fault ?? 'email_invalid', project } as const;
        return started(await steps.refuse(projectId, sessionId, inputId, refused));
      }
      return started(await steps.takeEmail(projectId, sessionId, inputId, { email, project }));
    },

    async issueCode({ projectId, sessionId }: Session, inputId: string): Promise<StepOutcome> {
      const project = await stores.leadSessions.settings(projectId);
      return started(await steps.resend(projectId, sessionId, inputId, project));
    },

    async checkCode({ projectId, sessionId }: Session, inputId: string): Promise<StepOutcome> {
      const project = await stores.leadSessions.settings(projectId);
      return started(await steps.checkCode(projectId, sessionId, inputId, project));
    },

    /** Asks what the visitor wanted to know before they were verified. Each question becomes one turn. */
    async askKeptQuestions({ projectId, sessionId }: Session): Promise<{ asked: number }> {
      const session = await stores.leadSessions.get(projectId, sessionId);
      if (!session?.leadId) throw ApplicationFailure.nonRetryable('There is no lead.', 'LEAD_NOT_FOUND');
      let asked = 0;
      for (const kept of await stores.leadSessions.keptQuestions(projectId, sessionId)) {
        if (kept.turnId) continue;
        const conversation = { sessionId: leadConversation(sessionId) };
        const turn = { message: kept.question, conversation, leadId: session.leadId };
        const idempotency = { operation: 'kept-question', key: kept.inputId, body: null };
        let dispatch: Dispatch | undefined;
        try {
          const accepted = await stores.turns.accept(projectId, turn, idempotency);
          dispatch = accepted.dispatch;
          await stores.leadSessions.setConversation(projectId, sessionId, accepted.conversationId);
          await stores.leadSessions.questionAsked(projectId, kept.inputId, accepted.turnId);
        } catch (error) {
          // The lead's answers are used up: there is nothing to wait for.
          if (error instanceof AppError && error.status < 500) break;
          throw error;
        }
        if (dispatch) dispatcher.startSoon(dispatch);
        asked += 1;
      }
      return { asked };
    },

    async endSession(
      { projectId, sessionId }: Session,
      end: { stage: 'expired' | 'blocked'; reason: string },
    ): Promise<{ stage: SessionStage }> {
      return { stage: (await stores.leadSessions.end(projectId, sessionId, end)) ?? end.stage };
    },
  };
}

/** Of a domain, or a domain above it, whose addresses live for minutes. */
function isDisposable(email: string): boolean {
  const labels = email.slice(email.lastIndexOf('@') + 1).split('.');
  return labels.some((_label, at) => mailChecker.blacklist().has(labels.slice(at).join('.')));
}

/** Whether the domain has a mail server. A name server that does not answer is no reason to turn a visitor away. */
async function takesMail(email: string): Promise<boolean> {
  const domain = email.slice(email.lastIndexOf('@') + 1);
  const unknown = new Promise<true>((resolve) =>
    setTimeout(() => resolve(true), timing.mailServerLookup).unref(),
  );
  const lookup = resolveMx(domain).then(
    // RFC 7505: a single empty name says that there is none.
    (records) => records.some(({ exchange }) => exchange !== '' && exchange !== '.'),
    (error: NodeJS.ErrnoException) => error.code !== 'ENOTFOUND' && error.code !== 'ENODATA',
  );
  return await Promise.race([lookup, unknown]);
}
