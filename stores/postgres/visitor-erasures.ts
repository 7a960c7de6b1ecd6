import {
  contactWorkflowId,
  contactWorkflowPrefix,
  type Dispatch,
  eraseVisitorDispatch,
  leadWorkflowId,
  mailWorkflowId,
  turnWorkflowId,
  webhookWorkflowPrefix,
} from '../../domain/flows.ts';
import type { Encryption } from '../../encryption.ts';
import { isUuid, type Query, type Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { newId, uuids } from './ids.ts';
import { asJson } from './json.ts';

export type VisitorErasureStore = ReturnType<typeof createVisitorErasureStore>;

/** The outcomes of an erasure for the contact in the project's CRM. */
export const contactErasures = ['never_sent', 'deleted', 'not_found', 'kept'] as const;

export interface ContactErasure {
  outcome: (typeof contactErasures)[number];
  /** Why it stays there. */
  reason: string | null;
}

/** What was removed, and what was looked for afterwards. It does not say who the visitor was. */
export interface ErasureReceipt {
  id: string;
  leadId: string;
  requestedBy: string | null;
  requestedAt: Date;
  removed: Record<string, number>;
  remaining: Record<string, number> | null;
  /** What became of the contact in the CRM; null before that is known. */
  contact: ContactErasure | null;
  finishedAt: Date | null;
}

/** A visitor's rows, by table. */
interface Traces {
  sessions: string[];
  conversations: string[];
  turns: string[];
  mails: string[];
  deliveries: string[];
}

export function createVisitorErasureStore(sql: Sql, encryption: Encryption) {
  const columns = sql`id, lead_id, requested_by, requested_at, removed, remaining, contact, finished_at`;
  const contextOf = (erasureId: string) => `visitor_erasures/${erasureId}`;

  async function subjectOf(
    query: Query,
    projectId: string,
    erasureId: string,
  ): Promise<{ leadId: string; email: string } | undefined> {
    const [row] = await query<{ leadId: string; subject: string | null }[]>`
      select lead_id, subject from visitor_erasures where project_id = ${projectId} and id = ${erasureId}`;
    if (!row?.subject) return undefined;
    return { leadId: row.leadId, email: encryption.decrypt(row.subject, contextOf(erasureId)) };
  }

  /** Everything that is the visitor's: by the lead, and by the address where it was not verified. */
  async function tracesOf(
    query: Query,
    projectId: string,
    { leadId, email }: { leadId: string; email: string },
  ): Promise<Traces> {
    const ids = (rows: { id: string }[]) => rows.map(({ id }) => id);
    const sessions = await query<{ id: string }[]>`
      select id from lead_sessions
      where project_id = ${projectId} and (lead_id = ${leadId} or email = ${email})`;
    const conversations = await query<{ id: string }[]>`
      select id from conversations where project_id = ${projectId} and (lead_id = ${leadId} or id in (
        select conversation_id from lead_sessions where id = any(${uuids(query, ids(sessions))})
        -- where they, or somebody under their address, wrote to the business
        union select t.conversation_id from lead_notes n join turns t on t.id = n.id
          where n.project_id = ${projectId} and n.lead_id = ${leadId}))`;
    const turns = await query<{ id: string }[]>`
      select id from turns
      where project_id = ${projectId} and conversation_id = any(${uuids(query, ids(conversations))})`;
    const mails = await query<{ id: string }[]>`
      select id from mails where project_id = ${projectId} and (recipient = ${email} or lead_id = ${leadId})`;
    const deliveries = await query<{ id: string }[]>`
      select id from webhook_deliveries where project_id = ${projectId} and (
        payload->'data'->>'leadId' = ${leadId}
        or payload->'data'->>'conversationId' = any(${query.array(ids(conversations))}::text[]))`;
    return {
      sessions: ids(sessions),
      conversations: ids(conversations),
      turns: ids(turns),
      mails: ids(mails),
      deliveries: ids(deliveries),
    };
  }

  /** The workflows that have sent the lead to the CRM. */
  async function contactRuns(projectId: string, leadId: string): Promise<string[]> {
    const [row] = await sql<{ run: number }[]>`
      select run from contact_syncs where project_id = ${projectId} and lead_id = ${leadId}`;
    return Array.from({ length: row?.run ?? 0 }, (_, at) => contactWorkflowId(leadId, at + 1));
  }

  return {
    /** Accepts the erasure of a lead. Undefined where there is none; the one that is under way where there is one. */
    async request(
      projectId: string,
      leadId: string,
      requestedBy: string | null,
    ): Promise<{ receipt: ErasureReceipt; dispatch: Dispatch | undefined } | undefined> {
      if (!isUuid(leadId)) return undefined;
      return await sql.begin(async (tx) => {
        const [lead] = await tx<{ email: string }[]>`
          select email from leads where project_id = ${projectId} and id = ${leadId} for update`;
        if (!lead) return undefined;
        const [running] = await tx<ErasureReceipt[]>`
          select ${columns} from visitor_erasures
          where project_id = ${projectId} and lead_id = ${leadId} and finished_at is null`;
        if (running) return { receipt: running, dispatch: undefined };
        const id = newId();
        const [receipt] = await tx<ErasureReceipt[]>`
          insert into visitor_erasures (id, project_id, lead_id, subject, requested_by)
          values (${id}, ${projectId}, ${leadId}, ${encryption.encrypt(lead.email, contextOf(id))}, ${requestedBy})
          returning ${columns}`;
        const dispatch = eraseVisitorDispatch({ projectId, erasureId: id });
        await insertDispatch(tx, dispatch);
        return { receipt: receipt!, dispatch };
      });
    },

    async get(projectId: string, erasureId: string): Promise<ErasureReceipt | undefined> {
      if (!isUuid(erasureId)) return undefined;
      const [row] = await sql<ErasureReceipt[]>`
        select ${columns} from visitor_erasures where project_id = ${projectId} and id = ${erasureId}`;
      return row;
    },

    /** Adds the visitor's workflows to those whose histories are to go, and returns all of them. */
    async noteWorkflows(projectId: string, erasureId: string): Promise<string[]> {
      const subject = await subjectOf(sql, projectId, erasureId);
      if (!subject) return [];
      const traces = await tracesOf(sql, projectId, subject);
      const found = [
        ...traces.sessions.map(leadWorkflowId),
        ...traces.turns.map(turnWorkflowId),
        ...traces.mails.map(mailWorkflowId),
        ...traces.deliveries.map((id) => webhookWorkflowPrefix + id),
        ...(await contactRuns(projectId, subject.leadId)),
      ];
      const [row] = await sql<{ workflowIds: string[] }[]>`
        update visitor_erasures set workflow_ids = array(
          select unnest(workflow_ids) union select unnest(${sql.array(found)}::text[]))
        where project_id = ${projectId} and id = ${erasureId} returning workflow_ids`;
      return row?.workflowIds ?? [];
    },

    async workflows(projectId: string, erasureId: string): Promise<string[]> {
      const [row] = await sql<{ workflowIds: string[] }[]>`
        select workflow_ids from visitor_erasures where project_id = ${projectId} and id = ${erasureId}`;
      return row?.workflowIds ?? [];
    },

    /** The address under which the visitor may be in the CRM; undefined where they were never sent there. */
    async contact(projectId: string, erasureId: string): Promise<{ email: string } | undefined> {
      const subject = await subjectOf(sql, projectId, erasureId);
      if (!subject) return undefined;
      // By the workflows that were noted: the rows are gone by now.
      const [row] = await sql<{ sent: boolean }[]>`
        select exists (select 1 from unnest(workflow_ids) as id where id like ${`${contactWorkflowPrefix}%`}) as sent
        from visitor_erasures where project_id = ${projectId} and id = ${erasureId}`;
      return row?.sent ? { email: subject.email } : undefined;
    },

    async noteContact(projectId: string, erasureId: string, contact: ContactErasure): Promise<void> {
      await sql`
        update visitor_erasures set contact = ${asJson(sql, contact)}
        where project_id = ${projectId} and id = ${erasureId} and finished_at is null`;
    },

    /** Removes the visitor's rows, all or none. A run that is repeated adds what it still finds. */
    async removeRows(projectId: string, erasureId: string): Promise<void> {
      await sql.begin(async (tx) => {
        const subject = await subjectOf(tx, projectId, erasureId);
        if (!subject) return;
        const traces = await tracesOf(tx, projectId, subject);
        const list = (ids: string[]) => tx`any(${uuids(tx, ids)})`;
        const counts: Record<string, number> = {};
        const remove = async (name: string, query: PromiseLike<{ count: number }>) => {
          counts[name] = (await query).count;
        };
        await tx`
          delete from dispatches where project_id = ${projectId} and workflow_id = any(
            select unnest(workflow_ids) from visitor_erasures where id = ${erasureId})`;
        await tx`
          delete from idempotency_keys
          where project_id = ${projectId} and result_id = ${list(traces.turns)}`;
        await tx`delete from frames where project_id = ${projectId} and turn_id = ${list(traces.turns)}`;
        await remove(
          'webhookDeliveries',
          tx`delete from webhook_deliveries where project_id = ${projectId} and id = ${list(traces.deliveries)}`,
        );
        await remove(
          'mails',
          tx`delete from mails where project_id = ${projectId} and id = ${list(traces.mails)}`,
        );
        await remove(
          'turns',
          tx`delete from turns where project_id = ${projectId} and id = ${list(traces.turns)}`,
        );
        await remove(
          'sessions',
          tx`delete from lead_sessions where project_id = ${projectId} and id = ${list(traces.sessions)}`,
        );
        await remove(
          'conversations',
          tx`delete from conversations where project_id = ${projectId} and id = ${list(traces.conversations)}`,
        );
        await remove(
          'leads',
          tx`delete from leads where project_id = ${projectId} and id = ${subject.leadId}`,
        );
        await tx`
          update visitor_erasures e set removed = (
            select coalesce(jsonb_object_agg(key, value::int + coalesce((e.removed->>key)::int, 0)), '{}')
            from jsonb_each_text(${asJson(tx, counts)}))
          where project_id = ${projectId} and id = ${erasureId}`;
      });
    },

    /** Looks for the visitor once more. */
    async remainingRows(projectId: string, erasureId: string): Promise<Record<string, number>> {
      const subject = await subjectOf(sql, projectId, erasureId);
      if (!subject) return {};
      const { leadId, email } = subject;
      const traces = await tracesOf(sql, projectId, subject);
      const [row] = await sql<{ leads: number; codes: number }[]>`
        select
          (select count(*)::int from leads
            where project_id = ${projectId} and (id = ${leadId} or email = ${email})) as leads,
          (select count(*)::int from lead_codes where project_id = ${projectId} and email = ${email}) as codes`;
      const counts = Object.entries(traces).map(([name, ids]): [string, number] => [name, ids.length]);
      return { ...Object.fromEntries(counts), ...row! };
    },

    /** Issues the receipt, and forgets whom it was about. */
    async finish(projectId: string, erasureId: string, remaining: Record<string, number>): Promise<void> {
      await sql`
        update visitor_erasures set remaining = ${asJson(sql, remaining)}, subject = null, finished_at = now(),
          removed = removed || jsonb_build_object('histories', cardinality(workflow_ids)), workflow_ids = '{}'
        where project_id = ${projectId} and id = ${erasureId} and finished_at is null`;
    },
  };
}
