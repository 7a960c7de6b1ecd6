import type { Actor } from '../../domain/accounts.ts';
import type { Host } from '../../domain/hosts.ts';
import { insertProjectAudit } from './audit.ts';
import type { Query, Sql } from './client.ts';

export type HostStore = ReturnType<typeof createHostStore>;

export function createHostStore(sql: Sql) {
  return {
    /** The active project that answers the pages of this host. */
    async find(host: string): Promise<string | undefined> {
      const [row] = await sql<{ projectId: string }[]>`
        select h.project_id from hosts h join projects p on p.id = h.project_id and p.active and p.deleted_at is null
        where h.host = ${host}`;
      return row?.projectId;
    },

    async list(projectId: string): Promise<Host[]> {
      return await sql<Host[]>`
        select host, lead_recipients, created_at from hosts where project_id = ${projectId} order by host`;
    },

    /** Gives the host to the project, or changes what is said of it. Undefined where another project has it. */
    async set(
      projectId: string,
      host: string,
      { leadRecipients }: { leadRecipients?: readonly string[] | undefined },
      actor: Actor,
    ): Promise<Host | undefined> {
      return await sql.begin(async (tx) => {
        const recipients = leadRecipients ? tx.array([...leadRecipients]) : null;
        const [row] = await tx<Host[]>`
          insert into hosts (host, project_id, lead_recipients)
          values (${host}, ${projectId}, coalesce(${recipients}::text[], '{}'))
          on conflict (host) do update set
            lead_recipients = coalesce(${recipients}::text[], hosts.lead_recipients)
          where hosts.project_id = excluded.project_id
          returning host, lead_recipients, created_at`;
        if (row) await audit(tx, actor, projectId, 'host.set', host);
        return row;
      });
    },

    /** Gives the host to the project, whoever had it. */
    async move(projectId: string, host: string, actor: Actor): Promise<void> {
      await sql.begin(async (tx) => {
        await tx`delete from hosts where host = ${host} and project_id <> ${projectId}`;
        await tx`insert into hosts (host, project_id) values (${host}, ${projectId}) on conflict do nothing`;
        await audit(tx, actor, projectId, 'host.set', host);
      });
    },

    /** False where the project does not have it. */
    async remove(projectId: string, host: string, actor: Actor): Promise<boolean> {
      return await sql.begin(async (tx) => {
        const removed = await tx`
          delete from hosts where project_id = ${projectId} and host = ${host} returning 1`;
        if (removed.length === 0) return false;
        await audit(tx, actor, projectId, 'host.removed', host);
        return true;
      });
    },
  };
}

async function audit(
  tx: Query,
  actor: Actor,
  projectId: string,
  action: string,
  host: string,
): Promise<void> {
  await insertProjectAudit(tx, actor, projectId, action, { type: 'host', id: null }, { host });
}
