import type { Actor, AuditEntry } from '../../domain/accounts.ts';
import type { Query, Sql } from './client.ts';
import { newId } from './ids.ts';
import { asJson } from './json.ts';

export type AuditStore = ReturnType<typeof createAuditStore>;

export interface AuditRecord extends AuditEntry {
  id: string;
  actorType: Actor['type'];
  actorId: string | null;
  ip: string | null;
  createdAt: Date;
}

/** Writes down who did what, in the transaction of the change. */
export async function insertAudit(query: Query, actor: Actor, entry: AuditEntry): Promise<void> {
  await query`
    insert into audit_log (id, workspace_id, project_id, actor_type, actor_id, action, object_type, object_id, ip, details)
    values (${newId()}, ${entry.workspaceId}, ${entry.projectId}, ${actor.type}, ${actor.id}, ${entry.action},
      ${entry.objectType}, ${entry.objectId}, ${actor.ip}, ${asJson(query, entry.details)})`;
}

/** The same for an object of a project; the entry is its workspace's too. */
export async function insertProjectAudit(
  query: Query,
  actor: Actor,
  projectId: string,
  action: string,
  object: { type: string; id: string | null },
  details: Record<string, unknown> = {},
): Promise<void> {
  await query`
    insert into audit_log (id, workspace_id, project_id, actor_type, actor_id, action, object_type, object_id, ip, details)
    select ${newId()}, workspace_id, id, ${actor.type}, ${actor.id}, ${action}, ${object.type}, ${object.id}::uuid,
      ${actor.ip}::inet, ${asJson(query, details)}
    from projects where id = ${projectId}`;
}

/** A command of whoever runs the server. */
export const operator: Actor = { type: 'operator', id: null, ip: null };

/** What the server does by itself, following what it was told before. */
export const system: Actor = { type: 'system', id: null, ip: null };

export interface AuditFilter {
  action?: string | undefined;
  actorId?: string | undefined;
  objectId?: string | undefined;
  since?: Date | undefined;
  /** The id of the last entry of the page before. */
  before?: string | undefined;
  limit: number;
}

export function createAuditStore(sql: Sql) {
  const list = async (of: ReturnType<Sql>, filter: AuditFilter): Promise<AuditRecord[]> =>
    await sql<AuditRecord[]>`
      select id, workspace_id, project_id, actor_type, actor_id, action, object_type, object_id, host(ip) as ip, details,
        created_at
      from audit_log where ${of}
        ${filter.action ? sql`and action = ${filter.action}` : sql``}
        ${filter.actorId ? sql`and actor_id = ${filter.actorId}` : sql``}
        ${filter.objectId ? sql`and object_id = ${filter.objectId}` : sql``}
        ${filter.since ? sql`and created_at >= ${filter.since}` : sql``}
        ${filter.before ? sql`and id < ${filter.before}` : sql``}
      order by id desc limit ${filter.limit}`;

  return {
    /** Newest first. */
    ofProject: (projectId: string, filter: AuditFilter) => list(sql`project_id = ${projectId}`, filter),
    /** Newest first, those of its projects included. */
    ofWorkspace: (workspaceId: string, filter: AuditFilter) =>
      list(sql`workspace_id = ${workspaceId}`, filter),
  };
}
