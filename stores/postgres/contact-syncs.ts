import type { PendingQuery, Row } from 'postgres';
import type { ContactSync, ContactSyncStatus, LeadForCrm } from '../../domain/crm.ts';
import { overdue } from '../../domain/deadlines.ts';
import { contactWorkflowPrefix, type SyncContactInput } from '../../domain/flows.ts';
import { isUuid, type Query, type Sql } from './client.ts';

export type ContactSyncStore = ReturnType<typeof createContactSyncStore>;

/** A lead that is to be sent; `revision` says which state of it that is. */
export interface LeadToSend {
  revision: number;
  lead: LeadForCrm;
}

/**
 * Asks for leads to be sent to the project's CRM, where it has one; in the transaction that changed them. A sweep starts
 * the workflows, so the caller has nothing to do after its commit. What is being sent is sent once more. Who is being
 * erased, or has only typed an address, is not sent.
 */
export function insertContactSyncs(
  tx: Query,
  projectId: string,
  leads: PendingQuery<Row[]>,
): PendingQuery<Row[]> {
  return tx`
    with sync as (
      insert into contact_syncs as s (lead_id, project_id)
      select l.id, l.project_id from (${leads}) as wanted
      join leads l on l.id = wanted.id and l.project_id = ${projectId} and l.verified_at is not null
      join crm_connections c on c.project_id = l.project_id
      where not exists (select 1 from visitor_erasures e where e.lead_id = l.id and e.finished_at is null)
      on conflict (lead_id) do update set revision = s.revision + 1, status = 'pending',
        run = s.run + (s.status <> 'pending')::int,
        attempts = case when s.status = 'pending' then s.attempts else 0 end,
        error = case when s.status = 'pending' then s.error end,
        requested_at = now(), touched_at = now(), finished_at = null
      returning lead_id, project_id, run)
    insert into dispatches (workflow_id, project_id, workflow_type, input, available_at)
    select ${contactWorkflowPrefix}::text || lead_id || '/' || run, project_id, 'syncContact',
      jsonb_build_object('projectId', project_id, 'leadId', lead_id, 'run', run), now()
    from sync on conflict do nothing`;
}

export function createContactSyncStore(sql: Sql) {
  const columns = sql`lead_id, status, contact_id, attempts, error, requested_at, finished_at`;
  const running = ({ projectId, leadId, run }: SyncContactInput) =>
    sql`project_id = ${projectId} and lead_id = ${leadId} and run = ${run} and status = 'pending'`;

  async function get(projectId: string, leadId: string): Promise<ContactSync | undefined> {
    if (!isUuid(leadId)) return undefined;
    const [row] = await sql<ContactSync[]>`
      select ${columns} from contact_syncs where project_id = ${projectId} and lead_id = ${leadId}`;
    return row;
  }

  return {
    get,

    /** Newest leads first. `before` is the last lead of the page before. */
    async list(
      projectId: string,
      page: { limit: number; before?: string | undefined; status?: ContactSyncStatus | undefined },
    ): Promise<ContactSync[]> {
      return await sql<ContactSync[]>`
        select ${columns} from contact_syncs where project_id = ${projectId}
        ${page.status === undefined ? sql`` : sql`and status = ${page.status}`}
        ${page.before === undefined ? sql`` : sql`and lead_id < ${page.before}`}
        order by lead_id desc limit ${page.limit}`;
    },

    /** How many leads are there, are on their way, or did not get there. */
    async counts(projectId: string): Promise<Record<ContactSyncStatus, number>> {
      const [row] = await sql<Record<ContactSyncStatus, number>[]>`
        select count(*) filter (where status = 'pending')::int as pending,
          count(*) filter (where status = 'synced')::int as synced,
          count(*) filter (where status = 'failed')::int as failed
        from contact_syncs where project_id = ${projectId}`;
      return row!;
    },

    /** Sends one lead again. Undefined where there is no such lead, or no CRM. */
    async request(projectId: string, leadId: string): Promise<ContactSync | undefined> {
      if (!isUuid(leadId)) return undefined;
      await insertContactSyncs(sql, projectId, sql`select ${leadId}::uuid as id`);
      return await get(projectId, leadId);
    },

    /** Sends all leads, or those that failed or were never sent. Returns how many. */
    async requestMany(projectId: string, which: 'all' | 'unsent'): Promise<number> {
      const unsent = sql`and not exists (
        select 1 from contact_syncs s where s.lead_id = l.id and s.status in ('pending', 'synced'))`;
      const { count } = await insertContactSyncs(
        sql,
        projectId,
        sql`select id from leads l where project_id = ${projectId} ${which === 'unsent' ? unsent : sql``}`,
      );
      return count;
    },

    /** The lead as it is now; undefined where it is no longer to be sent. */
    async outgoing(input: SyncContactInput): Promise<LeadToSend | undefined> {
      const [row] = await sql<(LeadForCrm & { revision: number })[]>`
        select s.revision, l.email, l.name, l.fields, l.consent, l.language, l.status, l.assignee, l.tags,
          l.created_at, l.verified_at
        from (select * from contact_syncs where ${running(input)}) s
        join leads l on l.id = s.lead_id
        where not exists (select 1 from visitor_erasures e where e.lead_id = l.id and e.finished_at is null)`;
      if (!row) return undefined;
      const { revision, ...lead } = row;
      return { revision, lead };
    },

    /** Records that a state of the lead is there. `pending` where it has changed meanwhile. */
    async sent(
      input: SyncContactInput,
      { revision, contactId }: { revision: number; contactId: string },
    ): Promise<ContactSyncStatus | undefined> {
      const [row] = await sql<{ status: ContactSyncStatus }[]>`
        update contact_syncs set attempts = attempts + 1, contact_id = ${contactId}, error = null,
          status = case when revision = ${revision} then 'synced' else 'pending' end,
          finished_at = case when revision = ${revision} then now() end, touched_at = now()
        where ${running(input)} returning status`;
      return row?.status;
    },

    /** Keeps why an attempt failed, for whoever looks while it is tried again. */
    async noteFailure(input: SyncContactInput, reason: string): Promise<void> {
      await sql`
        update contact_syncs set attempts = attempts + 1, error = ${reason}, touched_at = now()
        where ${running(input)}`;
    },

    async giveUp(input: SyncContactInput, reason: string): Promise<void> {
      await sql`
        update contact_syncs set status = 'failed', error = ${reason}, finished_at = now(), touched_at = now()
        where ${running(input)}`;
    },

    /** For the sweep: leads that nothing was done about for longer than any pause between two attempts. */
    async claimSilent(limit: number): Promise<SyncContactInput[]> {
      return await sql<SyncContactInput[]>`
        update contact_syncs set touched_at = now() where lead_id in (
          select lead_id from contact_syncs
          where status = 'pending' and touched_at < now() - ${overdue.contactSilence} * interval '1 millisecond'
          order by touched_at limit ${limit} for update skip locked)
        returning project_id, lead_id, run`;
    },
  };
}
