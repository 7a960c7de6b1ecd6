import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { Webhook } from 'standardwebhooks';
import { webhooks as timing } from '../../domain/deadlines.ts';
import type { DeliverWebhookInput } from '../../domain/flows.ts';
import { noWaitingMends, outboundErrorIn } from '../../outbound/outbound-error.ts';
import type { OutgoingDelivery } from '../../stores/postgres/webhooks.ts';
import type { ActivityDependencies } from '../index.ts';

type WebhookDependencies = Pick<ActivityDependencies, 'stores' | 'safeFetch'>;

const gone = 410;

export function createWebhookActivities({ stores, safeFetch }: WebhookDependencies) {
  return {
    /** One attempt. A receiver may get an event twice, under the same webhook-id. */
    async sendWebhook({ projectId, deliveryId }: DeliverWebhookInput): Promise<{ status: number | null }> {
      const delivery = await stores.webhooks.outgoing(projectId, deliveryId);
      if (!delivery) throw ApplicationFailure.nonRetryable('The webhook was deleted.', 'WEBHOOK_DELETED');
      if (delivery.status === 'delivered') return { status: null };
      if (!delivery.enabled)
        throw ApplicationFailure.nonRetryable('The webhook is turned off.', 'WEBHOOK_DISABLED');
      const record = (status: 'pending' | 'delivered', responseStatus: number | null, error: string | null) =>
        stores.webhooks.recordAttempt(projectId, deliveryId, { status, responseStatus, error });

      let response: Response;
      try {
        response = await safeFetch(delivery.url, request(delivery));
      } catch (error) {
        if (Context.current().cancellationSignal.aborted) throw error;
        const outbound = outboundErrorIn(error);
        const timedOut = (error as Error).name === 'TimeoutError';
        const reason = timedOut ? `No answer within ${timing.answer / 1000} s.` : (error as Error).message;
        await record('pending', null, reason);
        throw ApplicationFailure.create({
          message: reason,
          type: outbound?.code ?? 'WEBHOOK_UNREACHABLE',
          nonRetryable: outbound !== undefined && noWaitingMends.includes(outbound.code),
        });
      }
      await response.body?.cancel();
      const { status } = response;
      if (response.ok) {
        await record('delivered', status, null);
        return { status };
      }
      const reason = `The receiver answered with status ${status}.`;
      await record('pending', status, reason);
      if (status === gone) {
        await stores.webhooks.disable(
          projectId,
          delivery.webhookId,
          'Its receiver answered with status 410, gone.',
        );
      }
      const nextRetryDelay = retryAfter(response);
      throw ApplicationFailure.create({
        message: reason,
        type: 'WEBHOOK_REFUSED',
        nonRetryable: status === gone,
        ...(nextRetryDelay === undefined ? {} : { nextRetryDelay }),
      });
    },

    async giveUpWebhook({ projectId, deliveryId }: DeliverWebhookInput, reason: string): Promise<void> {
      await stores.webhooks.giveUp(projectId, deliveryId, reason);
    },
  };
}

function request({ eventId, payload, secret }: OutgoingDelivery): RequestInit {
  const body = JSON.stringify(payload);
  const id = `msg_${eventId}`;
  const now = new Date();
  return {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'Frontdesk-Webhooks/1',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, now, body),
    },
    // A redirect would send what was signed for one receiver to another.
    redirect: 'manual',
    signal: AbortSignal.any([Context.current().cancellationSignal, AbortSignal.timeout(timing.answer)]),
  };
}

/** The receiver's Retry-After in milliseconds, as far as we are ready to wait. */
function retryAfter({ headers }: Response): number | undefined {
  const given = headers.get('retry-after');
  if (given === null) return undefined;
  const ms = /^\d+$/.test(given) ? Number(given) * 1000 : Date.parse(given) - Date.now();
  return ms > 0 ? Math.min(ms, timing.retry.maximumInterval) : undefined;
}
