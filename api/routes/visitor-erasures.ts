import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { contactErasures, type ErasureReceipt } from '../../stores/postgres/visitor-erasures.ts';
import type { App, AppDependencies } from '../app.ts';

const tags = ['Leads'];
const receiptView = z.object({
  id: z.uuid(),
  leadId: z.uuid(),
  status: z.enum(['running', 'finished']),
  requestedBy: z.string().nullable(),
  requestedAt: z.date(),
  removed: z.record(z.string(), z.number()),
  remaining: z.record(z.string(), z.number()).nullable().describe('Looked for afterwards; all zeros.'),
  contact: z
    .object({ outcome: z.enum(contactErasures), reason: z.string().nullable() })
    .nullable()
    .describe('What became of the contact in the CRM.'),
  finishedAt: z.date().nullable(),
});
const rows = z.array(z.record(z.string(), z.unknown()));
const dataView = z.object({
  lead: z.record(z.string(), z.unknown()),
  notes: rows,
  sessions: rows,
  conversations: rows,
  mails: rows,
  contact: z.record(z.string(), z.unknown()).nullable(),
});
const reply = z.object({ erasure: receiptView });

/** What visitors may ask for: what is known of them, and to be forgotten, with a receipt. */
export function visitorErasureRoutes(
  app: App,
  { stores, dispatcher }: Pick<AppDependencies, 'stores' | 'dispatcher'>,
): void {
  const config = { scope: 'admin', role: 'admin' } as const;

  app.get(
    '/leads/:leadId/data',
    {
      config: { ...config, errors: ['LEAD_NOT_FOUND'] },
      schema: {
        tags,
        summary: 'All that is kept about a visitor, as they may ask for it',
        params: z.object({ leadId: z.string() }),
        response: { 200: dataView },
      },
    },
    async (request) => {
      const data = await stores.visitorData.get(request.projectId, request.params.leadId);
      if (!data) throw new AppError('LEAD_NOT_FOUND');
      return data;
    },
  );

  app.post(
    '/leads/:leadId/erase',
    {
      config: { ...config, errors: ['LEAD_NOT_FOUND'] },
      schema: {
        tags,
        summary: 'Erase a visitor: the lead, sessions, conversations, mails and histories',
        params: z.object({ leadId: z.string() }),
        response: { 202: reply },
      },
    },
    async (request, response) => {
      const by = request.user?.email ?? null;
      const accepted = await stores.visitorErasures.request(request.projectId, request.params.leadId, by);
      if (!accepted) throw new AppError('LEAD_NOT_FOUND');
      if (accepted.dispatch) dispatcher.startSoon(accepted.dispatch);
      return response.status(202).send({ erasure: viewOf(accepted.receipt) });
    },
  );

  app.get(
    '/erasures/:erasureId',
    {
      config: { ...config, errors: ['ERASURE_NOT_FOUND'] },
      schema: {
        tags,
        summary: 'The receipt of an erasure',
        params: z.object({ erasureId: z.string() }),
        response: { 200: reply },
      },
    },
    async (request) => {
      const receipt = await stores.visitorErasures.get(request.projectId, request.params.erasureId);
      if (!receipt) throw new AppError('ERASURE_NOT_FOUND');
      return { erasure: viewOf(receipt) };
    },
  );
}

const viewOf = (receipt: ErasureReceipt) => ({
  ...receipt,
  status: receipt.finishedAt ? ('finished' as const) : ('running' as const),
});
