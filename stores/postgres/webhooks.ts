import { randomBytes } from 'node:crypto';
import type { Actor } from '../../domain/accounts.ts';
import type { Encryption } from '../../encryption.ts';
import type { DeliveryAttempt, DeliveryStatus, Webhook, WebhookDelivery } from '../../domain/webhooks.ts';
import { overdue } from '../../domain/deadlines.ts';
import { type DeliverWebhookInput, deliverWebhookDispatch, type Dispatch } from '../../domain/flows.ts';
import { insertProjectAudit, operator } from './audit.ts';
import type { Query, Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { newId } from './ids.ts';

export { insertWebhookEvent, insertWebhookEvents } from './webhook-events.ts';
export type WebhookStore = ReturnType<typeof createWebhookStore>;

export type WebhookFields = Pick<Webhook, 'url' | 'events' | 'enabled'>;

/** What a worker needs to make a delivery. */
export interface OutgoingDelivery {
  url: string;
  enabled: boolean;
  secret: string;
  eventId: string;
  payload: unknown;
  status: DeliveryStatus;
}

/** As Standard Webhooks writes secrets: 24 to 64 random bytes after a prefix. */
const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`;
export const contextOf = (webhookId: string) => `webhooks/${webhookId}`;

export function createWebhookStore(sql: Sql, encryption: Encryption) {
  const columns = sql`id, url, events, enabled, disabled_reason, created_at`;
  const deliveryColumns = sql`
    id, webhook_id, event_id, event_type, status, attempts, response_status, error, created_at, finished_at`;

  return {
    /** Returns the secret too: it is not shown again. */
    async create(
      projectId: string,
      { url, events, enabled }: WebhookFields,
      actor: Actor = operator,
    ): Promise<{ webhook: Webhook; secret: string }> {
      const id = newId();
      const secret = newSecret();
      return await sql.begin(async (tx) => {
        const [webhook] = await tx<Webhook[]>`
          insert into webhooks (id, project_id, url, events, enabled, secret)
          values (${id}, ${projectId}, ${url}, ${tx.array([...events])}, ${enabled},
            ${encryption.encrypt(secret, contextOf(id))})
          returning ${columns}`;
        await audit(tx, actor, projectId, 'webhook.created', id);
        return { webhook: webhook!, secret };
      });
    },

    async list(projectId: string): Promise<Webhook[]> {
      return await sql<Webhook[]>`
        select ${columns} from webhooks where project_id = ${projectId} order by created_at, id`;
    },

    async get(projectId: string, webhookId: string): Promise<Webhook | undefined> {
      const [row] = await sql<Webhook[]>`
        select ${columns} from webhooks where project_id = ${projectId} and id = ${webhookId}`;
      return row;
    },

    async update(
      projectId: string,
      webhookId: string,
      change: { [K in keyof WebhookFields]?: WebhookFields[K] | undefined },
      actor: Actor = operator,
    ): Promise<Webhook | undefined> {
      return await sql.begin(async (tx) => {
        const [row] = await tx<Webhook[]>`
        update webhooks set url = coalesce(${change.url ?? null}, url),
          events = coalesce(${change.events ? tx.array([...change.events]) : null}, events),
          enabled = coalesce(${change.enabled ?? null}, enabled),
          disabled_reason = case when ${change.enabled ?? false} then null else disabled_reason end
        where project_id = ${projectId} and id = ${webhookId} returning ${columns}`;
        if (row)
          await audit(tx, actor, projectId, 'webhook.changed', webhookId, { changed: Object.keys(change) });
        return row;
      });
    },

    /** Returns the new secret; the old one stops signing at once. */
    async rotateSecret(
      projectId: string,
      webhookId: string,
      actor: Actor = operator,
    ): Promise<string | undefined> {
      const secret = newSecret();
      return await sql.begin(async (tx) => {
        const changed = await tx`
          update webhooks set secret = ${encryption.encrypt(secret, contextOf(webhookId))}
          where project_id = ${projectId} and id = ${webhookId} returning 1`;
        if (changed.length === 0) return undefined;
        await audit(tx, actor, projectId, 'webhook.secret_rotated', webhookId);
        return secret;
      });
    },

    /** With its deliveries; those under way find nothing to deliver. False where there is none. */
    async delete(projectId: string, webhookId: string, actor: Actor = operator): Promise<boolean> {
      return await sql.begin(async (tx) => {
        const deleted = await tx`
          delete from webhooks where project_id = ${projectId} and id = ${webhookId} returning 1`;
        if (deleted.length > 0) await audit(tx, actor, projectId, 'webhook.deleted', webhookId);
        return deleted.length > 0;
      });
    },

    /** Turns it off for a reason that an operator reads. */
    async disable(projectId: string, webhookId: string, reason: string): Promise<void> {
      await sql`
        update webhooks set enabled = false, disabled_reason = ${reason}
        where project_id = ${projectId} and id = ${webhookId}`;
    },

    /** Newest first. `before` is the last delivery of the page before. */
    async deliveries(
      projectId: string,
      webhookId: string,
      page: { limit: number; before?: string | undefined; status?: DeliveryStatus | undefined },
    ): Promise<{ deliveries: WebhookDelivery[]; next: string | null }> {
      const deliveries = await sql<WebhookDelivery[]>`
        select ${deliveryColumns} from webhook_deliveries
        where project_id = ${projectId} and webhook_id = ${webhookId}
        ${page.status === undefined ? sql`` : sql`and status = ${page.status}`}
        ${
          page.before === undefined
            ? sql``
            : sql`and (created_at, id) < (select created_at, id from webhook_deliveries
                where project_id = ${projectId} and id = ${page.before})`
        }
        order by created_at desc, id desc limit ${page.limit}`;
      return { deliveries, next: (deliveries.length === page.limit && deliveries.at(-1)?.id) || null };
    },

    async delivery(
      projectId: string,
      deliveryId: string,
    ): Promise<(WebhookDelivery & { payload: unknown }) | undefined> {
      const [row] = await sql<(WebhookDelivery & { payload: unknown })[]>`
        select ${deliveryColumns}, payload from webhook_deliveries
        where project_id = ${projectId} and id = ${deliveryId}`;
      return row;
    },

    /** The same event again, as a delivery of its own. */
    async replay(
      projectId: string,
      deliveryId: string,
    ): Promise<{ deliveryId: string; dispatch: Dispatch } | undefined> {
      const id = newId();
      return await sql.begin(async (tx) => {
        const made = await tx`
          insert into webhook_deliveries (id, project_id, webhook_id, event_id, event_type, payload)
          select ${id}, project_id, webhook_id, event_id, event_type, payload from webhook_deliveries
          where project_id = ${projectId} and id = ${deliveryId} returning 1`;
        if (made.length === 0) return undefined;
        const dispatch = deliverWebhookDispatch({ projectId, deliveryId: id });
        await insertDispatch(tx, dispatch);
        return { deliveryId: id, dispatch };
      });
    },

    /** Undefined when the webhook was deleted. */
    async outgoing(
      projectId: string,
      deliveryId: string,
    ): Promise<(OutgoingDelivery & { webhookId: string }) | undefined> {
      const [row] = await sql<(OutgoingDelivery & { webhookId: string })[]>`
        select w.id as webhook_id, w.url, w.enabled, w.secret, d.event_id, d.payload, d.status
        from webhook_deliveries d join webhooks w on w.id = d.webhook_id
        where d.project_id = ${projectId} and d.id = ${deliveryId}`;
      return row && { ...row, secret: encryption.decrypt(row.secret, contextOf(row.webhookId)) };
    },

    /** Keeps how an attempt ended; a delivery that was made stays made. */
    async recordAttempt(projectId: string, deliveryId: string, attempt: DeliveryAttempt): Promise<void> {
      await sql`
        update webhook_deliveries set status = ${attempt.status}, attempts = attempts + 1, touched_at = now(),
          response_status = ${attempt.responseStatus}, error = ${attempt.error},
          finished_at = case when ${attempt.status === 'pending'} then null else now() end
        where project_id = ${projectId} and id = ${deliveryId} and status = 'pending'`;
    },

    /** Records that it is tried no more. */
    async giveUp(projectId: string, deliveryId: string, reason: string): Promise<void> {
      await sql`
        update webhook_deliveries set status = 'failed', error = ${reason}, finished_at = now()
        where project_id = ${projectId} and id = ${deliveryId} and status = 'pending'`;
    },

    /** Deliveries that were not touched for a while; they are touched by it, so that sweeps take turns. */
    async claimSilent(limit: number): Promise<DeliverWebhookInput[]> {
      return await sql<DeliverWebhookInput[]>`
        update webhook_deliveries set touched_at = now() where id in (
          select id from webhook_deliveries
          where status = 'pending' and touched_at < now() - ${overdue.webhookSilence} * interval '1 millisecond'
          order by touched_at limit ${limit} for update skip locked)
        returning project_id, id as delivery_id`;
    },
  };
}

async function audit(
  tx: Query,
  actor: Actor,
  projectId: string,
  action: string,
  webhookId: string,
  details: Record<string, unknown> = {},
): Promise<void> {
  await insertProjectAudit(tx, actor, projectId, action, { type: 'webhook', id: webhookId }, details);
}
