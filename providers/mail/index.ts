import { ProviderError } from '../../domain/errors.ts';
import { createResendTransport } from './resend.ts';
import { createSmtpTransport } from './smtp.ts';
import type { MailTransport } from './transport.ts';

export type MailServer =
  | { kind: 'smtp'; url: string; from: string }
  | { kind: 'resend'; apiKey: string; from: string };

/** Undefined where no mail server is configured: then mails wait, and say why. */
export function createMailTransport(server: MailServer | undefined): MailTransport {
  switch (server?.kind) {
    case 'smtp':
      return createSmtpTransport(server);
    case 'resend':
      return createResendTransport(server);
    default:
      return {
        async send() {
          throw new ProviderError('SMTP', 'no mail server is configured. Set SMTP_URL', { retryable: true });
        },
        close() {},
      };
  }
}
