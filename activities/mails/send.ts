import { ApplicationFailure } from '@temporalio/common';
import { mail as timing } from '../../domain/deadlines.ts';
import type { SendMailInput } from '../../domain/flows.ts';
import { type MailEnd, type MailStatus, messageIdOf } from '../../domain/mails.ts';
import { MailRefused } from '../../providers/mail/transport.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';
import { renderMail } from './render.ts';

type MailDependencies = Pick<ActivityDependencies, 'stores' | 'mailTransport'>;

export function createMailActivities({ stores, mailTransport }: MailDependencies) {
  return {
    /** Says whether the mail is still to be sent, and for how many milliseconds that is of use. */
    async openMail({ projectId, mailId }: SendMailInput): Promise<{ status: MailStatus; patience: number }> {
      const opened = await stores.mails.patience(projectId, mailId);
      if (!opened) throw ApplicationFailure.nonRetryable('The mail no longer exists.', 'MAIL_NOT_FOUND');
      return opened;
    },

    /**
     * Hands the mail to the mail server. A worker that dies between the server's "taken" and its own lets another send
     * it again: with the same text and Message-ID.
     */
    async deliverMail({ projectId, mailId }: SendMailInput): Promise<MailEnd> {
      return await withHeartbeat(timing.heartbeatEvery, async (signal) => {
        const mail = await stores.mails.beginAttempt(projectId, mailId);
        if (!mail) throw ApplicationFailure.nonRetryable('The mail no longer exists.', 'MAIL_NOT_FOUND');
        if (mail.expired) {
          throw ApplicationFailure.nonRetryable('Given up, as it is of no more use.', 'MAIL_EXPIRED');
        }
        try {
          const text = renderMail(mail);
          await mailTransport.send(
            {
              ...text,
              id: mailId,
              messageId: messageIdOf(mailId),
              to: mail.recipient,
              fromName: mail.brand.name,
              language: mail.language,
            },
            signal,
          );
          return { status: 'sent' };
        } catch (error) {
          const reason = withoutAddresses((error as Error).message);
          if (error instanceof MailRefused) return { status: 'refused', code: 'MAIL_REFUSED', reason };
          await stores.mails.noteTrouble(projectId, mailId, reason).catch(() => {});
          (error as Error).message = reason;
          throw error;
        }
      });
    },

    /** Records how it ended; what has ended stays. Returns what is recorded. */
    async recordMail({ projectId, mailId }: SendMailInput, end: MailEnd): Promise<{ status: MailStatus }> {
      return { status: (await stores.mails.end(projectId, mailId, end)) ?? end.status };
    },
  };
}

/** Mail servers repeat the address in what they say, and histories and logs carry none. */
const withoutAddresses = (text: string) => text.replace(/[^\s<>"':;,]+@[^\s<>"':;,]+/g, '(address)');
