import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  rootCause,
  setCurrentDetails,
  TimeoutFailure,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { mail, record } from '../domain/deadlines.ts';
import type { SendMailInput } from '../domain/flows.ts';
import type { MailEnd, MailStatus } from '../domain/mails.ts';
import { cancellationOf, causeOf, wasStopped } from './failures.ts';

const persistently = { startToCloseTimeout: record.attempt, retry: record.retry };
const { openMail } = proxyLocalActivities<Activities>({
  ...persistently,
  summary: 'see how long it may take',
});
const { recordMail } = proxyLocalActivities<Activities>({ ...persistently, summary: 'record the outcome' });

/** Sends one mail, for as long as it is of use. It ends with one recorded outcome. */
export async function sendMail(input: SendMailInput): Promise<{ status: MailStatus }> {
  try {
    const { status, patience } = await openMail(input);
    if (status !== 'queued') return { status };
    const end = await deliver(input, patience);
    setCurrentDetails(end.status === 'sent' ? 'Sent' : `Not sent: ${end.reason}`);
    const outcome = await CancellationScope.nonCancellable(() => recordMail(input, end));
    // The workflow ends as the mail did, so that it stands out in the Temporal UI.
    if (end.status !== 'sent' && outcome.status !== 'sent') {
      throw ApplicationFailure.nonRetryable(end.reason, end.code);
    }
    return outcome;
  } catch (error) {
    if (!isCancellation(error)) throw error;
    const end = { status: 'failed', code: 'MAIL_CANCELLED', reason: 'An operator cancelled it.' } as const;
    setCurrentDetails(end.reason);
    await CancellationScope.nonCancellable(() => recordMail(input, end));
    throw error;
  }
}

async function deliver(input: SendMailInput, patience: number): Promise<MailEnd> {
  if (patience <= 0) return tooLate('it waited too long to be started');
  setCurrentDetails('Handing it to the mail server');
  const { deliverMail } = proxyActivities<Activities>({
    summary: 'hand it to the mail server',
    startToCloseTimeout: mail.attempt,
    scheduleToCloseTimeout: patience,
    heartbeatTimeout: mail.heartbeat,
    // What is of use for minutes only is tried more often.
    retry: patience > mail.urgent ? mail.retry : mail.urgentRetry,
  });
  try {
    return await deliverMail(input);
  } catch (error) {
    if (wasStopped(error)) throw cancellationOf(error, 'An operator cancelled it.');
    const cause = causeOf(error);
    if (cause instanceof TimeoutFailure) {
      return tooLate(rootCause(cause.cause ?? undefined) ?? 'no worker could try in time');
    }
    if (cause instanceof ApplicationFailure && cause.nonRetryable) {
      return { status: 'failed', code: cause.type ?? 'MAIL_FAILED', reason: cause.message };
    }
    return tooLate(rootCause(error) ?? 'unknown reason');
  }
}

const tooLate = (trouble: string): MailEnd => ({
  status: 'failed',
  code: 'MAIL_EXPIRED',
  reason: `Given up, as it is of no more use: ${trouble}`,
});
