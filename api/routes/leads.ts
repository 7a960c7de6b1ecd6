import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { leadStatuses, readFields } from '../../domain/leads.ts';
import type { Lead, LeadFilter, LeadMessage, LeadNote } from '../../stores/postgres/leads.ts';
import type { App, AppDependencies } from '../app.ts';
import { actorOf } from '../plugins/access.ts';
import { sendExport } from '../lead-export.ts';

const tags = ['Leads'];
const filter = {
  search: z.string().trim().max(200).optional(),
  status: z.enum(leadStatuses).optional(),
  assignee: z.string().max(200).optional(),
  tag: z.string().max(60).optional(),
  since: z.iso.datetime({ offset: true }).optional(),
  until: z.iso.datetime({ offset: true }).optional(),
};
const listQuery = z.object({
  ...filter,
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.uuid('take it from "nextCursor" of the page before').optional(),
});
const exportQuery = z.object({ ...filter, format: z.enum(['csv', 'json']).default('csv') });
const params = z.object({ leadId: z.string() });
const label = z.string().trim().min(1).max(60);
const changeBody = z
  .object({
    status: z.enum(leadStatuses),
    assignee: z.string().trim().min(1).max(200).nullable(),
    tags: z.array(label).max(50),
    name: z.string().trim().min(1).max(80),
    fields: z.record(z.string(), z.string().max(500)),
    note: z.string().trim().min(1).max(5_000),
  })
  .partial()
  .strict()
  .refine((body) => Object.keys(body).length > 0, 'send what is to be changed');

const leadView = z.object({
  id: z.uuid(),
  name: z.string(),
  email: z.string(),
  fields: z.record(z.string(), z.string()),
  consent: z.object({ version: z.string(), text: z.string(), at: z.string() }).nullable(),
  language: z.string(),
  status: z.enum(leadStatuses),
  assignee: z.string().nullable(),
  tags: z.array(z.string()),
  createdAt: z.date(),
  verifiedAt: z.date().nullable().describe('Null where the address was only typed.'),
  updatedAt: z.date(),
});
const noteView = z.object({
  id: z.uuid(),
  author: z.string().nullable(),
  text: z.string(),
  createdAt: z.date(),
});
const messageView = z.object({
  conversationId: z.uuid(),
  turnId: z.uuid(),
  role: z.enum(['user', 'assistant']),
  content: z.string(),
  createdAt: z.date(),
});
const detailView = z.object({ lead: leadView, notes: z.array(noteView), transcript: z.array(messageView) });

const transcriptLimit = 1_000;

/** The leads of a project, for the business. */
export function leadRoutes(app: App, { stores }: Pick<AppDependencies, 'stores'>): void {
  const { leads } = stores;
  const read = { scope: 'conversations', role: 'viewer' } as const;
  const write = { scope: 'conversations', role: 'editor' } as const;

  app.get(
    '/leads',
    {
      config: read,
      schema: {
        tags,
        summary: 'Leads, newest first',
        querystring: listQuery,
        response: { 200: z.object({ leads: z.array(leadView), nextCursor: z.string().nullable() }) },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query;
      const found = await leads.list(request.projectId, filterOf(request.query), {
        limit: limit + 1,
        after: cursor,
      });
      const page = found.slice(0, limit);
      return { leads: page, nextCursor: found.length > limit ? page.at(-1)!.id : null };
    },
  );

  app.get(
    '/leads/export',
    {
      config: read,
      schema: {
        tags,
        summary: 'All leads as CSV or JSON',
        querystring: exportQuery,
        response: {
          200: {
            description: 'Streamed. A spreadsheet takes no cell of the CSV for a formula.',
            content: {
              'text/csv': { schema: z.string() },
              'application/json': { schema: z.array(leadView) },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const { format } = request.query;
      const rows = leads.each(request.projectId, filterOf(request.query));
      const fields = (await stores.projects.get(request.projectId))?.settings.leads.fields ?? [];
      return sendExport(reply, format, rows, fields);
    },
  );

  app.get(
    '/leads/:leadId',
    {
      config: { ...read, errors: ['LEAD_NOT_FOUND'] },
      schema: {
        tags,
        summary: 'A lead with its notes and all of its conversations',
        params,
        response: { 200: detailView },
      },
    },
    async (request) => {
      const lead = await leads.get(request.projectId, request.params.leadId);
      if (!lead) throw new AppError('LEAD_NOT_FOUND');
      return await detail(request, lead);
    },
  );

  app.patch(
    '/leads/:leadId',
    {
      config: { ...write, errors: ['LEAD_NOT_FOUND'] },
      schema: {
        tags,
        summary: 'Change status, assignee, tags, name or fields, or add a note',
        params,
        body: changeBody,
        response: { 200: detailView },
      },
    },
    async (request) => {
      const { note, fields, ...rest } = request.body;
      const change = {
        ...rest,
        ...(fields ? { fields: await knownFields(request, fields) } : {}),
        ...(note ? { note: { author: request.user?.email ?? null, text: note } } : {}),
      };
      const lead = await leads.change(request.projectId, request.params.leadId, change, actorOf(request));
      if (!lead) throw new AppError('LEAD_NOT_FOUND');
      return await detail(request, lead);
    },
  );

  async function detail(
    { projectId }: FastifyRequest,
    lead: Lead,
  ): Promise<{ lead: Lead; notes: LeadNote[]; transcript: LeadMessage[] }> {
    const [notes, transcript] = await Promise.all([
      leads.notes(projectId, lead.id),
      leads.transcript(projectId, lead.id, transcriptLimit),
    ]);
    return { lead, notes, transcript };
  }

  async function knownFields({ projectId }: FastifyRequest, fields: Record<string, string>) {
    const project = await stores.projects.get(projectId);
    try {
      return readFields(project?.settings.leads.fields ?? [], fields);
    } catch (error) {
      throw new AppError('INVALID_REQUEST', { message: `${(error as Error).message}.` });
    }
  }
}

function filterOf({
  since,
  until,
  ...rest
}: z.infer<typeof exportQuery> | z.infer<typeof listQuery>): LeadFilter {
  return { ...rest, since: since ? new Date(since) : undefined, until: until ? new Date(until) : undefined };
}
