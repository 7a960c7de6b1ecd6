import { createTransport } from 'nodemailer';
import { mail as timing } from '../../domain/deadlines.ts';
import { ProviderError } from '../../domain/errors.ts';
import { MailRefused, type MailTransport } from './transport.ts';

/** Big providers cut off senders with more connections than this. */
const connections = 5;

/** What nodemailer adds to its errors. */
interface SmtpError extends Error {
  code?: string;
  /** What was being said: 'RCPT TO', say. */
  command?: string;
  response?: string;
  responseCode?: number;
}

/** `url`: smtp:// (with STARTTLS where the server offers it) or smtps://, with user and password. */
export function createSmtpTransport({ url, from }: { url: string; from: string }): MailTransport {
  const transport = createTransport({
    url,
    pool: true,
    maxConnections: connections,
    // Temporal owns retrying.
    maxRequeues: 0,
    connectionTimeout: timing.connect,
    greetingTimeout: timing.connect,
    socketTimeout: timing.silence,
    disableFileAccess: true,
    disableUrlAccess: true,
  } as Parameters<typeof createTransport>[0]);
  return {
    async send(mail) {
      try {
        await transport.sendMail({
          from: { name: mail.fromName, address: from },
          to: { name: '', address: mail.to },
          subject: mail.subject,
          text: mail.text,
          html: mail.html,
          messageId: mail.messageId,
          headers: {
            'Content-Language': mail.language,
            // Vacation notices and the like are not answered to these.
            'Auto-Submitted': 'auto-generated',
          },
        });
      } catch (error) {
        throw understood(error as SmtpError);
      }
    },
    close: () => transport.close(),
  };
}

/** A refused recipient or text is for good; a refused login or sender is the operator's to mend, so it is tried again. */
function understood(error: SmtpError): Error {
  const { command = '', responseCode = 0 } = error;
  const said = error.response?.replace(/\s+/g, ' ') ?? error.message;
  if (responseCode >= 500 && /^(RCPT TO|DATA)/.test(command)) {
    return new MailRefused(`The mail server refused it: ${said}`);
  }
  if (error.code === 'EENVELOPE' && responseCode === 0) {
    return new MailRefused(`The address cannot be written to: ${error.message}`);
  }
  const doing = responseCode >= 400 && responseCode < 500 ? 'asks to try again later' : 'did not take it';
  return new ProviderError('SMTP', `the server ${doing}: ${said}`, { retryable: true, cause: error });
}
