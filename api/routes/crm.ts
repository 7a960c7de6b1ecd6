import { z } from 'zod';
import {
  type ContactSync,
  type CrmConnection,
  contactSyncStatuses,
  crmMapping,
  crmNames,
  defaultMapping,
  onErasure,
} from '../../domain/crm.ts';
import { AppError } from '../../domain/errors.ts';
import { newProviderKey } from '../../domain/provider-keys.ts';
import type { App, AppDependencies } from '../app.ts';
import { actorOf } from '../plugins/access.ts';

const { apiKey: secret, baseUrl } = newProviderKey.shape;
const connectionBody = z.object({
  crm: z.enum(crmNames),
  token: secret.describe('Of a private app. Needed at first, and with another baseUrl.'),
  baseUrl: baseUrl.nullish().describe("By default the CRM's own address."),
  mapping: crmMapping
    .default(defaultMapping)
    .describe(
      'From values of a lead (`name`, `firstName`, `fields.company`, …) to properties of the contact.',
    ),
  onErasure: z
    .enum(onErasure)
    .default('delete')
    .describe("What becomes of a visitor's contact when the visitor is erased."),
});
const connectionView = z.object({
  crm: z.enum(crmNames),
  lastFour: z.string().describe('All that is ever shown of the token.'),
  baseUrl: z.string().nullable(),
  mapping: z.record(z.string(), z.string()),
  onErasure: z.enum(onErasure),
  updatedAt: z.iso.datetime(),
});
const count = z.number();
const statusView = z.object({
  crm: connectionView.nullable(),
  contacts: z.object({ pending: count, synced: count, failed: count }),
});
const contactView = z.object({
  leadId: z.uuid(),
  status: z.enum(contactSyncStatuses),
  contactId: z.string().nullable().describe('In the CRM.'),
  attempts: z.number(),
  error: z.string().nullable().describe('Why it failed, or the last attempt did.'),
  requestedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime().nullable(),
});
const params = z.object({ leadId: z.string() });

/** The CRM where a project's leads are contacts, and what became of each (docs/leads.md). */
export function crmRoutes(app: App, { stores }: Pick<AppDependencies, 'stores'>): void {
  const config = { scope: 'admin', role: 'admin' } as const;
  const tags = ['CRM'];
  const { crmConnections, contactSyncs } = stores;

  const connected = async (projectId: string): Promise<void> => {
    if (!(await crmConnections.get(projectId))) throw new AppError('CRM_NOT_FOUND');
  };

  app.get(
    '/crm',
    {
      config,
      schema: {
        tags,
        summary: 'The CRM of the project, and how many leads are there',
        response: { 200: statusView },
      },
    },
    async ({ projectId }) => {
      const [crm, contacts] = await Promise.all([
        crmConnections.get(projectId),
        contactSyncs.counts(projectId),
      ]);
      return { crm: crm ? connectionOf(crm) : null, contacts };
    },
  );

  app.put(
    '/crm',
    {
      config,
      schema: {
        tags,
        summary: 'Connect a CRM, or change the connection; leads go there from now on',
        body: connectionBody,
        response: { 200: z.object({ crm: connectionView }) },
      },
    },
    async (request) => {
      const { projectId, body } = request;
      const fields = { ...body, token: body.token, baseUrl: body.baseUrl ?? null };
      const crm = await crmConnections.put(projectId, fields, actorOf(request));
      if (!crm) throw new AppError('INVALID_REQUEST', { message: 'token: send the token for this address.' });
      return { crm: connectionOf(crm) };
    },
  );

  app.delete(
    '/crm',
    {
      config: { ...config, errors: ['CRM_NOT_FOUND'] },
      schema: { tags, summary: 'Disconnect the CRM; contacts stay there' },
    },
    async (request, reply) => {
      const removed = await crmConnections.remove(request.projectId, actorOf(request));
      if (!removed) throw new AppError('CRM_NOT_FOUND');
      return reply.status(204).send();
    },
  );

  app.get(
    '/crm/contacts',
    {
      config,
      schema: {
        tags,
        summary: 'Leads that were sent, newest first; `next` is the `before` of the next page',
        querystring: z.object({
          limit: z.coerce.number().int().min(1).max(500).default(50),
          before: z.uuid().optional(),
          status: z.enum(contactSyncStatuses).optional(),
        }),
        response: { 200: z.object({ contacts: z.array(contactView), next: z.string().nullable() }) },
      },
    },
    async ({ projectId, query }) => {
      const contacts = await contactSyncs.list(projectId, query);
      const next = (contacts.length === query.limit && contacts.at(-1)?.leadId) || null;
      return { contacts: contacts.map(contactOf), next };
    },
  );

  app.post(
    '/crm/contacts',
    {
      config: { ...config, errors: ['CRM_NOT_FOUND'] },
      schema: {
        tags,
        summary: 'Send all leads, or those that failed or were never sent',
        body: z.object({ leads: z.enum(['unsent', 'all']).default('unsent') }).default({ leads: 'unsent' }),
        response: { 202: z.object({ accepted: count }) },
      },
    },
    async ({ projectId, body }, reply) => {
      await connected(projectId);
      return reply.status(202).send({ accepted: await contactSyncs.requestMany(projectId, body.leads) });
    },
  );

  app.post(
    '/crm/contacts/:leadId/retry',
    {
      config: { ...config, errors: ['CRM_NOT_FOUND', 'LEAD_NOT_FOUND'] },
      schema: {
        tags,
        summary: 'Send a lead again',
        params,
        response: { 202: z.object({ contact: contactView }) },
      },
    },
    async ({ projectId, params: { leadId } }, reply) => {
      await connected(projectId);
      const contact = await contactSyncs.request(projectId, leadId);
      if (!contact) throw new AppError('LEAD_NOT_FOUND');
      return reply.status(202).send({ contact: contactOf(contact) });
    },
  );
}

const connectionOf = (crm: CrmConnection) => ({ ...crm, updatedAt: crm.updatedAt.toISOString() });

const contactOf = (contact: ContactSync) => ({
  ...contact,
  requestedAt: contact.requestedAt.toISOString(),
  finishedAt: contact.finishedAt?.toISOString() ?? null,
});
