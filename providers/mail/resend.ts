import { mail as timing } from '../../domain/deadlines.ts';
import { ProviderError } from '../../domain/errors.ts';
import { MailRefused, type MailTransport } from './transport.ts';

/** https://resend.com/docs/api-reference/emails/send-email. It keeps idempotency keys for a day. */
export function createResendTransport(options: {
  apiKey: string;
  from: string;
  url?: string;
}): MailTransport {
  const { apiKey, from, url = 'https://api.resend.com' } = options;
  return {
    async send(mail, signal) {
      const response = await fetch(`${url}/emails`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${apiKey}`,
          'content-type': 'application/json',
          'idempotency-key': mail.id,
        },
        body: JSON.stringify({
          from: `${quoted(mail.fromName)} <${from}>`,
          to: [mail.to],
          subject: mail.subject,
          text: mail.text,
          html: mail.html,
          headers: { 'Message-ID': mail.messageId, 'Content-Language': mail.language },
        }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(timing.silence)]),
      }).catch((error: Error) => {
        throw new ProviderError('Resend', `cannot be reached: ${error.message}`, {
          retryable: true,
          cause: error,
        });
      });
      if (response.ok) return void (await response.arrayBuffer());
      const { message = response.statusText } = (await response.json().catch(() => ({}))) as {
        message?: string;
      };
      // What is wrong with this mail; a wrong key (401, 403) is the operator's to mend.
      if (response.status === 400 || response.status === 422) {
        throw new MailRefused(`Resend refused it: ${message}`);
      }
      const pause = Number(response.headers.get('retry-after'));
      throw new ProviderError('Resend', `${response.status} ${message}`, {
        retryable: true,
        ...(pause > 0 ? { retryAfterMs: pause * 1000 } : {}),
      });
    },
    close() {},
  };
}

/** RFC 5322's quoted string, without line breaks. */
const quoted = (name: string) => `"${name.replace(/[\r\n]+/g, ' ').replace(/["\\]/g, '\\$&')}"`;
