import type { SessionStage, StepResult } from '../domain/leads.ts';
import { type MailLanguage, mailLanguageOf } from '../domain/mails.ts';
import type { ProjectSettings } from '../domain/projects.ts';
import type { LeadSession } from '../stores/postgres/lead-sessions.ts';
import { ar } from './lead-texts/ar.ts';
import { de } from './lead-texts/de.ts';
import { en } from './lead-texts/en.ts';
import { es } from './lead-texts/es.ts';
import type { LeadTexts } from './lead-texts/texts.ts';

const texts: Record<MailLanguage, LeadTexts> = { en, de, es, ar };

type Visitor = Pick<LeadSession, 'language' | 'name' | 'email' | 'mailStatus'>;

const textsFor = ({ language }: Pick<Visitor, 'language'>) => texts[mailLanguageOf(language)];

const paragraphs = (...parts: (string | undefined)[]) => parts.filter(Boolean).join('\n\n');

/** What a stage asks for. */
export function prompt(stage: SessionStage, visitor: Visitor, settings: ProjectSettings): string {
  const say = textsFor(visitor);
  switch (stage) {
    case 'awaiting_name':
      return say.askName;
    case 'awaiting_email':
      return paragraphs(settings.leads.consent?.text, say.askEmailAgain);
    case 'awaiting_otp':
      return visitor.mailStatus === 'refused'
        ? say.emailRefused(visitor.email ?? '')
        : say.askCode(visitor.email ?? '');
    default:
      return settings.welcomeMessage;
  }
}

/** The first words of a session. */
export const opening = (stage: SessionStage, visitor: Visitor, settings: ProjectSettings): string =>
  stage === 'awaiting_name'
    ? paragraphs(settings.welcomeMessage, prompt(stage, visitor, settings))
    : settings.welcomeMessage;

/** The reply to a question before its time. */
export const kept = (stage: SessionStage, visitor: Visitor, settings: ProjectSettings): string =>
  paragraphs(textsFor(visitor).kept, prompt(stage, visitor, settings));

/** A step's result in words. `visitor` is the session after the step. */
export function replyTo(result: StepResult, visitor: Visitor, settings: ProjectSettings): string {
  const say = textsFor(visitor);
  const email = visitor.email ?? '';
  switch (result.outcome) {
    case 'name_taken':
      return paragraphs(settings.leads.consent?.text, say.askEmail(visitor.name ?? ''));
    case 'name_invalid':
      return say.nameInvalid;
    case 'email_invalid':
      return say.emailInvalid;
    case 'email_disposable':
      return say.emailDisposable;
    case 'email_without_server':
      return say.emailWithoutServer;
    case 'code_sent':
      return say.askCode(email);
    case 'code_wrong':
      return result.stage === 'blocked' ? say.blocked : say.codeWrong(result.triesLeft ?? 0);
    case 'code_expired':
    case 'code_not_found':
      return say.codeExpired;
    case 'resend_too_soon':
      return say.resendTooSoon(result.retryAfterSeconds ?? 60);
    case 'resend_too_often':
      return say.resendTooOften;
    case 'mail_limit':
      return say.mailLimit;
    case 'verified':
      return say.verified(visitor.name ?? '');
    case 'blocked':
      return say.blocked;
    default:
      return prompt(result.stage, visitor, settings);
  }
}

export const resent = (visitor: Visitor): string => textsFor(visitor).codeResent(visitor.email ?? '');
