// Mails: what each kind needs to be written, and what becomes of it.

/** Languages that mails are written in: each has a file in activities/mails/texts. */
export const mailLanguages = ['en', 'de', 'es', 'ar'] as const;
export type MailLanguage = (typeof mailLanguages)[number];

/** The mail language nearest to a BCP 47 tag (`de-AT` is `de`); English where there is none. */
export function mailLanguageOf(tag: string | null | undefined): MailLanguage {
  const language = tag?.toLowerCase().split(/[-_]/, 1)[0];
  return mailLanguages.find((known) => known === language) ?? 'en';
}

/** A code to type or a link to follow; at least one of them. */
type CodeOrLink = { code: string; link?: string } | { link: string; code?: string };

export interface TranscriptLine {
  from: 'visitor' | 'assistant';
  text: string;
}

/** A mail with `minutes` is of use for that long: then it is given up, and its reader is told so in the text. */
export interface MailParams {
  /** Registration, and logging in with a code. */
  account_code: { code: string; minutes: number };
  /** Somebody registers with an address that has an account. */
  account_exists: Record<string, never>;
  password_reset: CodeOrLink & { minutes: number };
  invitation: CodeOrLink & { workspace: string; inviter: string };
  /** A secret key was seen in a public place. */
  key_public_warning: { project: string; keyPrefix: string };
  /** Proves a visitor's address. */
  lead_code: { code: string; minutes: number; project: string };
  /** Tells the business of a lead; `fields` are what else the visitor said of themselves, by their labels. */
  lead_notification: {
    project: string;
    lead: { name: string; email: string; fields: Record<string, string> };
    /** What the visitor wants, where they asked to be written to. */
    message?: string;
    transcript: TranscriptLine[];
  };
}

export type MailTemplate = keyof MailParams;

/** A mail to be written down. Account mails belong to no project. */
export type NewMail = {
  [T in MailTemplate]: {
    projectId: string | null;
    template: T;
    params: MailParams[T];
    /** One address. */
    to: string;
    /** Whom it tells of, so that it is erased with them. */
    leadId?: string;
    language: MailLanguage;
  };
}[MailTemplate];

/** `refused`: the recipient's server does not take it, now or ever. `failed`: it could not be sent in time. */
export type MailStatus = 'queued' | 'sent' | 'refused' | 'failed';

export type MailEnd = { status: 'sent' } | { status: 'refused' | 'failed'; code: string; reason: string };

/** Made with the row, so that a repeated mail has the same, and mail programs show one. */
export const messageIdOf = (mailId: string): string => `<${mailId}@frontdesk.mail>`;

/** Whom a mail is from: the project's name and colour, or the product's own. */
export interface MailBrand {
  name: string;
  /** #rrggbb */
  color: string;
}

export const productBrand: MailBrand = { name: 'Frontdesk', color: '#0f766e' };
