import { eventually } from './api-client.ts';

/** A mail as maildev's `GET /email` shows it. */
export interface MailboxMail {
  subject: string;
  text: string;
  html: string;
  messageId?: string;
  headers: Record<string, string>;
  from: { address: string; name: string }[];
  to: { address: string; name: string }[];
}

/** Reads the mailbox as a person does. */
export function createMailbox(url: string) {
  async function to(address: string): Promise<MailboxMail[]> {
    const mails = (await (await fetch(new URL('/email', url))).json()) as MailboxMail[];
    return mails.filter((mail) => mail.to.some((recipient) => recipient.address === address));
  }
  return {
    to,
    /** Waits for the n-th mail to this address. */
    nth: async (address: string, n = 1) => await eventually(async () => (await to(address))[n - 1]),
    /** Waits for the n-th mail to this address and returns the code in it. */
    async code(address: string, n = 1): Promise<string> {
      const mail = await this.nth(address, n);
      return /\b\d{6}\b/.exec(mail.text)![0];
    },
  };
}
