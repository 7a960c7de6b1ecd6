import type { Actor } from '../../domain/accounts.ts';
import type { Dispatch } from '../../domain/flows.ts';
import { leadConversation, type LeadStatus } from '../../domain/leads.ts';
import { mailLanguageOf, type TranscriptLine } from '../../domain/mails.ts';
import type { ProjectSettings } from '../../domain/projects.ts';
import type { Encryption } from '../../encryption.ts';
import { insertProjectAudit, operator } from './audit.ts';
import { isUuid, type Query, type Sql } from './client.ts';
import { insertContactSyncs } from './contact-syncs.ts';
import { newId } from './ids.ts';
import { insertMail } from './mails.ts';
import { asJson } from './json.ts';
import { insertWebhookEvent } from './webhook-events.ts';

const exportBatch = 1_000;

export type LeadStore = ReturnType<typeof createLeadStore>;

export interface Lead {
  id: string;
  email: string;
  name: string;
  fields: Record<string, string>;
  consent: { version: string; text: string; at: string } | null;
  language: string;
  status: LeadStatus;
  assignee: string | null;
  tags: string[];
  createdAt: Date;
  /** Null where the address was only typed. */
  verifiedAt: Date | null;
  updatedAt: Date;
}

export interface LeadNote {
  id: string;
  author: string | null;
  text: string;
  createdAt: Date;
}

export interface LeadFilter {
  /** Part of the name, the address or a field. */
  search?: string | undefined;
  status?: LeadStatus | undefined;
  assignee?: string | undefined;
  tag?: string | undefined;
  since?: Date | undefined;
  until?: Date | undefined;
}

export interface LeadChange {
  status?: LeadStatus | undefined;
  assignee?: string | null | undefined;
  tags?: string[] | undefined;
  name?: string | undefined;
  fields?: Record<string, string> | undefined;
  note?: { author: string | null; text: string } | undefined;
}

/** A message of a lead's transcript. */
export interface LeadMessage {
  conversationId: string;
  turnId: string;
  role: 'user' | 'assistant';
  content: string;
  createdAt: Date;
}

/**
 * Makes the lead of a verified address, or adds to the one that is there, and tells the project's people of a new one.
 * Runs in the transaction that uses the code up.
 */
export async function recordLead(
  tx: Query,
  encryption: Encryption,
  projectId: string,
  visitor: {
    sessionId: string;
    name: string;
    email: string;
    fields: Record<string, string>;
    consent: object | null;
    language: string;
    project: { name: string; settings: ProjectSettings };
  },
): Promise<{ leadId: string; dispatches: Dispatch[] }> {
  const { sessionId, name, email, fields, project } = visitor;
  const consent = visitor.consent && asJson(tx, visitor.consent);
  const [lead] = await tx<{ id: string; created: boolean; first: boolean }[]>`
    insert into leads (id, project_id, email, name, fields, consent, language)
    values (${newId()}, ${projectId}, ${email}, ${name}, ${asJson(tx, fields)}, ${consent}, ${visitor.language})
    on conflict (project_id, email) do update set name = excluded.name, fields = leads.fields || excluded.fields,
      consent = coalesce(excluded.consent, leads.consent), language = excluded.language, verified_at = now(),
      updated_at = now()
    returning id, xmax = 0 as created,
      -- as it was before this statement
      not exists (select 1 from leads o
        where o.project_id = ${projectId} and o.email = ${email} and o.verified_at is not null) as first`;
  await tx`
    update conversations set lead_id = ${lead!.id}
    where project_id = ${projectId} and id = (
      select conversation_id from lead_sessions where project_id = ${projectId} and id = ${sessionId})`;
  const told = { leadId: lead!.id, email, name, fields };
  if (lead!.created) await insertWebhookEvent(tx, projectId, 'lead.created', told);
  await insertWebhookEvent(tx, projectId, 'lead.verified', told);
  await insertContactSyncs(tx, projectId, tx`select ${lead!.id}::uuid as id`);
  const dispatches: Dispatch[] = [];
  if (lead!.first) {
    const params = {
      project: project.settings.siteName || project.name,
      lead: { name, email, fields: labelled(fields, project.settings) },
      transcript: await transcriptOf(tx, projectId, sessionId),
    };
    const language = mailLanguageOf(project.settings.primaryLanguage);
    for (const to of project.settings.leads.notify) {
      const mail = {
        projectId,
        template: 'lead_notification',
        params,
        to,
        language,
        leadId: lead!.id,
      } as const;
      dispatches.push(await insertMail(tx, encryption, mail));
    }
  }
  return { leadId: lead!.id, dispatches };
}

/** Fields by the labels that the project gave them. */
function labelled(fields: Record<string, string>, settings: ProjectSettings): Record<string, string> {
  const labelOf = (key: string) => settings.leads.fields.find((field) => field.key === key)?.label ?? key;
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [labelOf(key), value]));
}

/** What was said in a session so far, and asked but not answered yet. */
async function transcriptOf(tx: Query, projectId: string, sessionId: string): Promise<TranscriptLine[]> {
  const rows = await tx<{ question: string; reply: string | null }[]>`
    (select t.question, t.reply from turns t join lead_sessions s on s.conversation_id = t.conversation_id
      where s.project_id = ${projectId} and s.id = ${sessionId} order by t.position limit 200)
    union all
    (select value as question, null as reply from lead_inputs
      where project_id = ${projectId} and session_id = ${sessionId} and kind = 'question' and turn_id is null
      order by created_at limit 50)`;
  return rows.flatMap(({ question, reply }): TranscriptLine[] => [
    { from: 'visitor', text: question },
    ...(reply === null ? [] : [{ from: 'assistant' as const, text: reply }]),
  ]);
}

export function createLeadStore(sql: Sql) {
  const columns = sql`
    id, email, name, fields, consent, language, status, assignee, tags, created_at, verified_at, updated_at`;

  /** Newest first (ids grow with time), after the lead that ended the last page. */
  async function list(
    projectId: string,
    filter: LeadFilter,
    page: { limit: number; after: string | undefined },
  ): Promise<Lead[]> {
    const { search, status, assignee, tag, since, until } = filter;
    const like = search && `%${search.replace(/[\\%_]/g, '\\$&')}%`;
    return await sql<Lead[]>`
        select ${columns} from leads
        where project_id = ${projectId}
          ${like ? sql`and (name ilike ${like} or email ilike ${like} or fields::text ilike ${like})` : sql``}
          ${status ? sql`and status = ${status}` : sql``}
          ${assignee ? sql`and assignee = ${assignee}` : sql``}
          ${tag ? sql`and ${tag} = any(tags)` : sql``}
          ${since ? sql`and created_at >= ${since}` : sql``}
          ${until ? sql`and created_at < ${until}` : sql``}
          ${page.after ? sql`and id < ${page.after}` : sql``}
        order by id desc limit ${page.limit}`;
  }

  return {
    list,

    /** All of them, newest first, a page in memory at a time. */
    async *each(projectId: string, filter: LeadFilter): AsyncGenerator<Lead> {
      for (let after: string | undefined; ; ) {
        const leads = await list(projectId, filter, { limit: exportBatch, after });
        yield* leads;
        after = leads.at(-1)?.id;
        if (leads.length < exportBatch) return;
      }
    },

    async get(projectId: string, leadId: string): Promise<Lead | undefined> {
      if (!isUuid(leadId)) return undefined;
      const [row] = await sql<Lead[]>`
        select ${columns} from leads where project_id = ${projectId} and id = ${leadId}`;
      return row;
    },

    /** How many more answers the lead may get; null: as many as they like. */
    async answersLeft(projectId: string, leadId: string): Promise<number | null> {
      const [row] = await sql<{ limit: number | null }[]>`
        select (settings->>'assistantMessageLimit')::int as limit from projects where id = ${projectId}`;
      const limit = row?.limit ?? null;
      return limit === null ? null : Math.max(0, limit - (await answersOf(sql, projectId, leadId)));
    },

    async notes(projectId: string, leadId: string): Promise<LeadNote[]> {
      return await sql<LeadNote[]>`
        select id, author, text, created_at from lead_notes
        where project_id = ${projectId} and lead_id = ${leadId} order by created_at, id`;
    },

    /** The newest `limit` messages of all of the lead's conversations, oldest first. */
    async transcript(projectId: string, leadId: string, limit: number): Promise<LeadMessage[]> {
      const rows = await sql<LeadMessage[]>`
        select * from (
          select t.conversation_id, t.id as turn_id, m.role, m.content, m.created_at, t.position, m.part
          from conversations c join turns t on t.conversation_id = c.id
          cross join lateral (values ('user', t.question, t.created_at, 1), ('assistant', t.reply, t.finished_at, 2))
            as m(role, content, created_at, part)
          where c.project_id = ${projectId} and c.lead_id = ${leadId} and m.content is not null
          order by t.created_at desc, m.part desc limit ${limit}) as newest
        order by created_at, part`;
      return rows.map(({ conversationId, turnId, role, content, createdAt }) => ({
        conversationId,
        turnId,
        role,
        content,
        createdAt,
      }));
    },

    /** Changes what is given and adds the note. Undefined where there is no such lead. */
    async change(
      projectId: string,
      leadId: string,
      change: LeadChange,
      actor: Actor = operator,
    ): Promise<Lead | undefined> {
      if (!isUuid(leadId)) return undefined;
      const { status, assignee, tags, name, fields, note } = change;
      return await sql.begin(async (tx) => {
        const [row] = await tx<Lead[]>`
          update leads set updated_at = now()
            ${status === undefined ? tx`` : tx`, status = ${status}`}
            ${assignee === undefined ? tx`` : tx`, assignee = ${assignee}`}
            ${tags === undefined ? tx`` : tx`, tags = ${tx.array(tags)}::text[]`}
            ${name === undefined ? tx`` : tx`, name = ${name}`}
            ${fields === undefined ? tx`` : tx`, fields = fields || ${asJson(tx, fields)}`}
          where project_id = ${projectId} and id = ${leadId} returning ${columns}`;
        if (row && note) {
          await tx`
            insert into lead_notes (id, project_id, lead_id, author, text)
            values (${newId()}, ${projectId}, ${leadId}, ${note.author}, ${note.text})`;
        }
        if (row) {
          const changed = { changed: Object.keys(change) };
          await insertProjectAudit(
            tx,
            actor,
            projectId,
            'lead.changed',
            { type: 'lead', id: leadId },
            changed,
          );
          const { email } = row;
          const told = { leadId, email, name: row.name, fields: row.fields, status: row.status };
          await insertWebhookEvent(tx, projectId, 'lead.updated', {
            ...told,
            assignee: row.assignee,
            tags: row.tags,
          });
          await insertContactSyncs(tx, projectId, tx`select ${leadId}::uuid as id`);
        }
        return row;
      });
    },
  };
}

/**
 * Takes one of the answers that a lead may get, in the transaction that accepts its question. Parallel calls wait for
 * one another on the lead's row. Answers that failed or were stopped do not count.
 */
export async function takeLeadAnswer(
  tx: Query,
  projectId: string,
  leadId: string,
  conversationId: string,
): Promise<boolean> {
  const [lead] = await tx<{ limit: number | null }[]>`
    select (p.settings->>'assistantMessageLimit')::int as limit
    from leads l join projects p on p.id = l.project_id
    where l.project_id = ${projectId} and l.id = ${leadId} for update of l`;
  await tx`
    update conversations set lead_id = ${leadId} where project_id = ${projectId} and id = ${conversationId}
      and lead_id is distinct from ${leadId}`;
  if (!lead || lead.limit === null) return true;
  return (await answersOf(tx, projectId, leadId)) < lead.limit;
}

async function answersOf(query: Query, projectId: string, leadId: string): Promise<number> {
  const [used] = await query<{ count: number }[]>`
    select count(*)::int as count from conversations c join turns t on t.conversation_id = c.id
    where c.project_id = ${projectId} and c.lead_id = ${leadId} and t.status not in ('failed', 'cancelled')
      -- Not where somebody only typed this address.
      and starts_with(c.session_id, ${leadConversation('')})`;
  return used!.count;
}
