// The way out for mails: an SMTP server, or Resend's HTTP API.

export interface OutgoingMail {
  /** The same when the mail is sent again. */
  id: string;
  messageId: string;
  to: string;
  /** Stands before the sender's address. */
  fromName: string;
  subject: string;
  text: string;
  html: string;
  /** BCP 47 */
  language: string;
}

export interface MailTransport {
  /**
   * Resolves once the server has taken responsibility. Throws MailRefused where it never will; any other error is worth
   * another try (a ProviderError says when).
   */
  send(mail: OutgoingMail, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** The mail server refused this recipient or this text for good. */
export class MailRefused extends Error {
  override readonly name = 'MailRefused';
}
