// The mails of the drill. Its server runs in the drill's own process: a launcher that dies takes its mailbox along.
import type { startSmtpServer } from '../support/smtp.ts';

export type Mailbox = Pick<Awaited<ReturnType<typeof startSmtpServer>>, 'mails'>;

export const mailsTo = ({ mails }: Mailbox, address: string) =>
  mails.filter(({ to }) => to.includes(address));

/** The codes that were mailed to an address, oldest first; the subject begins with them. */
export const codesIn = (mailbox: Mailbox, address: string): string[] =>
  mailsTo(mailbox, address).map(({ raw }) => /^subject: (\d{6})\b/im.exec(raw)?.[1] ?? '');
