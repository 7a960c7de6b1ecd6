import type { MailLanguage, MailParams, MailTemplate } from '../../domain/mails.ts';

/** What a mail says, before it becomes plain text and HTML. Nothing in it is markup. */
export interface MailContent {
  subject: string;
  paragraphs: string[];
  /** Stands by itself, so that it can be copied. */
  code?: string | undefined;
  link?: { label: string; url: string } | undefined;
  /** Facts, each with its label. */
  rows?: [label: string, value: string][];
  transcript?: { heading: string; lines: { from: string; text: string }[] };
  /** Small, at the end. */
  note?: string;
}

/** A translation: one file in texts/ that says every mail in one language. */
export type MailTexts = {
  [T in MailTemplate]: (params: MailParams[T]) => MailContent;
};

/** "10 minutes" with the language's own plural, and digits that everyone can read. */
export function minutesIn(language: MailLanguage): (minutes: number) => string {
  const format = new Intl.NumberFormat(`${language}-u-nu-latn`, {
    style: 'unit',
    unit: 'minute',
    unitDisplay: 'long',
  });
  return (minutes) => format.format(minutes);
}
