import { isUuid, type Sql } from './client.ts';

export type VisitorDataStore = ReturnType<typeof createVisitorDataStore>;

/** All that is kept about a visitor, as they may ask for it. Dates are ISO 8601. */
export interface VisitorData {
  lead: Record<string, unknown>;
  notes: Record<string, unknown>[];
  sessions: Record<string, unknown>[];
  conversations: Record<string, unknown>[];
  mails: Record<string, unknown>[];
  /** Where they stand in the CRM; null where they were never sent there. */
  contact: Record<string, unknown> | null;
}

export function createVisitorDataStore(sql: Sql) {
  return {
    /** Undefined where there is no such lead. Ids of other tables, hashes and what is empty by then are left out. */
    async get(projectId: string, leadId: string): Promise<VisitorData | undefined> {
      if (!isUuid(leadId)) return undefined;
      const [row] = await sql<{ data: VisitorData }[]>`
        with lead as (select * from leads where project_id = ${projectId} and id = ${leadId}),
        session as (
          select s.* from lead_sessions s join lead l on s.lead_id = l.id or s.email = l.email
          where s.project_id = ${projectId})
        select jsonb_build_object(
          'lead', to_jsonb(lead) - 'project_id',
          'notes', coalesce((select jsonb_agg(jsonb_build_object(
            'author', n.author, 'text', n.text, 'createdAt', n.created_at) order by n.created_at)
            from lead_notes n where n.project_id = ${projectId} and n.lead_id = lead.id), '[]'),
          'sessions', coalesce((select jsonb_agg(jsonb_build_object(
            'stage', s.stage, 'name', s.name, 'email', s.email, 'fields', s.fields, 'consent', s.consent,
            'language', s.language, 'ip', s.ip, 'createdAt', s.created_at, 'expiresAt', s.expires_at)
            order by s.created_at) from session s), '[]'),
          'conversations', coalesce((select jsonb_agg(jsonb_build_object(
            'id', c.id, 'createdAt', c.created_at,
            'turns', coalesce((select jsonb_agg(jsonb_build_object(
              'question', t.question, 'reply', t.reply, 'status', t.status, 'createdAt', t.created_at)
              order by t.position) from turns t where t.conversation_id = c.id), '[]')) order by c.created_at)
            from conversations c where c.project_id = ${projectId}
              and (c.lead_id = lead.id or c.id in (select conversation_id from session))), '[]'),
          'mails', coalesce((select jsonb_agg(jsonb_build_object(
            'template', m.template, 'language', m.language, 'status', m.status, 'reason', m.reason,
            'createdAt', m.created_at) order by m.created_at)
            from mails m where m.project_id = ${projectId} and m.recipient = lead.email), '[]'),
          'contact', (select jsonb_build_object('contactId', c.contact_id, 'status', c.status,
            'requestedAt', c.requested_at, 'finishedAt', c.finished_at)
            from contact_syncs c where c.project_id = ${projectId} and c.lead_id = lead.id)) as data
        from lead`;
      return row?.data;
    },
  };
}
