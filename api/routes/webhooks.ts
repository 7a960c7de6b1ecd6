import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { type Webhook, type WebhookDelivery, webhookEvents } from '../../domain/webhooks.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { App, AppDependencies } from '../app.ts';
import { actorOf } from '../plugins/access.ts';

const fields = {
  url: z.url({ protocol: /^https?$/, error: 'must be an http or https address' }).max(2_000),
  events: z.array(z.enum(webhookEvents)).max(50),
  enabled: z.boolean(),
};
const params = z.object({ webhookId: z.string() });
const deliveryParams = params.extend({ deliveryId: z.string() });

const webhookSchema = z.object({
  id: z.string(),
  url: z.string(),
  events: z.array(z.string()),
  enabled: z.boolean(),
  disabledReason: z.string().nullable(),
  createdAt: z.string(),
});
const deliverySchema = z.object({
  id: z.string(),
  webhookId: z.string(),
  eventId: z.string(),
  eventType: z.string(),
  status: z.enum(['pending', 'delivered', 'failed']),
  attempts: z.number(),
  responseStatus: z.number().nullable(),
  error: z.string().nullable(),
  createdAt: z.string(),
  finishedAt: z.string().nullable(),
});
const secret = z.string().describe('Shown once. Deliveries are signed with it.');

/** Webhooks and what became of their deliveries (docs/webhooks.md). */
export function webhookRoutes(
  app: App,
  { stores, dispatcher }: Pick<AppDependencies, 'stores' | 'dispatcher'>,
): void {
  const access = { scope: 'admin', role: 'admin' } as const;
  const config = { ...access, errors: ['WEBHOOK_NOT_FOUND'] } as const;
  const ofDelivery = { ...access, errors: ['WEBHOOK_NOT_FOUND', 'DELIVERY_NOT_FOUND'] } as const;
  const tags = ['Webhooks'];
  const { webhooks } = stores;

  const found = async (projectId: string, webhookId: string): Promise<Webhook> => {
    const webhook = isUuid(webhookId) ? await webhooks.get(projectId, webhookId) : undefined;
    if (!webhook) throw new AppError('WEBHOOK_NOT_FOUND');
    return webhook;
  };
  const foundDelivery = async (projectId: string, webhookId: string, deliveryId: string) => {
    const delivery = isUuid(deliveryId) ? await webhooks.delivery(projectId, deliveryId) : undefined;
    if (delivery?.webhookId !== webhookId.toLowerCase()) throw new AppError('DELIVERY_NOT_FOUND');
    return delivery;
  };

  app.post(
    '/webhooks',
    {
      config: access,
      schema: {
        tags,
        summary: 'Add a webhook; its secret is shown once',
        body: z.object({
          url: fields.url,
          events: fields.events.default([]),
          enabled: fields.enabled.default(true),
        }),
        response: { 201: z.object({ webhook: webhookSchema, secret }) },
      },
    },
    async (request, reply) => {
      const { projectId, body } = request;
      const { webhook, secret } = await webhooks.create(projectId, body, actorOf(request));
      return reply.status(201).send({ webhook: view(webhook), secret });
    },
  );

  app.get(
    '/webhooks',
    {
      config: access,
      schema: {
        tags,
        summary: 'All webhooks',
        response: { 200: z.object({ webhooks: z.array(webhookSchema) }) },
      },
    },
    async ({ projectId }) => ({ webhooks: (await webhooks.list(projectId)).map(view) }),
  );

  app.patch(
    '/webhooks/:webhookId',
    {
      config,
      schema: {
        tags,
        summary: 'Change a webhook, or turn it on or off',
        params,
        body: z.object(fields).partial(),
        response: { 200: z.object({ webhook: webhookSchema }) },
      },
    },
    async (request) => {
      const { projectId, body } = request;
      const { webhookId } = request.params;
      await found(projectId, webhookId);
      const webhook = await webhooks.update(projectId, webhookId, body, actorOf(request));
      if (!webhook) throw new AppError('WEBHOOK_NOT_FOUND');
      return { webhook: view(webhook) };
    },
  );

  app.post(
    '/webhooks/:webhookId/rotate-secret',
    {
      config,
      schema: {
        tags,
        summary: 'A new secret; the old one stops at once',
        params,
        response: { 200: z.object({ secret }) },
      },
    },
    async (request) => {
      const { webhookId } = request.params;
      const secret = isUuid(webhookId)
        ? await webhooks.rotateSecret(request.projectId, webhookId, actorOf(request))
        : undefined;
      if (!secret) throw new AppError('WEBHOOK_NOT_FOUND');
      return { secret };
    },
  );

  app.delete(
    '/webhooks/:webhookId',
    { config, schema: { tags, summary: 'Remove a webhook and its deliveries', params } },
    async (request, reply) => {
      const { webhookId } = request.params;
      const deleted =
        isUuid(webhookId) && (await webhooks.delete(request.projectId, webhookId, actorOf(request)));
      if (!deleted) throw new AppError('WEBHOOK_NOT_FOUND');
      return reply.status(204).send();
    },
  );

  app.get(
    '/webhooks/:webhookId/deliveries',
    {
      config,
      schema: {
        tags,
        summary: 'Deliveries, newest first; `next` is the `before` of the next page',
        params,
        querystring: z.object({
          limit: z.coerce.number().int().min(1).max(200).default(50),
          before: z.uuid().optional(),
          status: z.enum(['pending', 'delivered', 'failed']).optional(),
        }),
        response: { 200: z.object({ deliveries: z.array(deliverySchema), next: z.string().nullable() }) },
      },
    },
    async ({ projectId, params: { webhookId }, query }) => {
      await found(projectId, webhookId);
      const { deliveries, next } = await webhooks.deliveries(projectId, webhookId, query);
      return { deliveries: deliveries.map(deliveryView), next };
    },
  );

  app.get(
    '/webhooks/:webhookId/deliveries/:deliveryId',
    {
      config: ofDelivery,
      schema: {
        tags,
        summary: 'A delivery with what is sent',
        params: deliveryParams,
        response: { 200: z.object({ delivery: deliverySchema.extend({ payload: z.unknown() }) }) },
      },
    },
    async ({ projectId, params: { webhookId, deliveryId } }) => {
      const delivery = await foundDelivery(projectId, webhookId, deliveryId);
      return { delivery: { ...deliveryView(delivery), payload: delivery.payload } };
    },
  );

  app.post(
    '/webhooks/:webhookId/deliveries/:deliveryId/replay',
    {
      config: ofDelivery,
      schema: {
        tags,
        summary: 'Send the same event again, as a delivery of its own',
        params: deliveryParams,
        response: { 202: z.object({ delivery: deliverySchema }) },
      },
    },
    async ({ projectId, params: { webhookId, deliveryId } }, reply) => {
      await foundDelivery(projectId, webhookId, deliveryId);
      const replayed = await webhooks.replay(projectId, deliveryId);
      if (!replayed) throw new AppError('DELIVERY_NOT_FOUND');
      dispatcher.startSoon(replayed.dispatch);
      const delivery = await foundDelivery(projectId, webhookId, replayed.deliveryId);
      return reply.status(202).send({ delivery: deliveryView(delivery) });
    },
  );
}

const view = (webhook: Webhook) => ({ ...webhook, createdAt: webhook.createdAt.toISOString() });

const deliveryView = (delivery: WebhookDelivery) => ({
  ...delivery,
  createdAt: delivery.createdAt.toISOString(),
  finishedAt: delivery.finishedAt?.toISOString() ?? null,
});
