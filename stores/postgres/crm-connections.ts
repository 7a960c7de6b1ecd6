import type { Actor } from '../../domain/accounts.ts';
import type { CrmConnection } from '../../domain/crm.ts';
import type { Encryption } from '../../encryption.ts';
import { insertProjectAudit, operator } from './audit.ts';
import type { Sql } from './client.ts';
import { asJson } from './json.ts';

export type CrmConnectionStore = ReturnType<typeof createCrmConnectionStore>;

export type CrmConnectionFields = Pick<CrmConnection, 'crm' | 'baseUrl' | 'mapping' | 'onErasure'>;

export const contextOf = (projectId: string) => `crm_connections/${projectId}`;

export function createCrmConnectionStore(sql: Sql, encryption: Encryption) {
  const columns = sql`crm, last_four, base_url, mapping, on_erasure, updated_at`;

  return {
    async get(projectId: string): Promise<CrmConnection | undefined> {
      const [row] = await sql<CrmConnection[]>`
        select ${columns} from crm_connections where project_id = ${projectId}`;
      return row;
    },

    /**
     * Connects the project, or changes its connection. Without a token the one that is there stays, for the CRM and the
     * address that it was given for: undefined where there is none such.
     */
    async put(
      projectId: string,
      { token, ...fields }: CrmConnectionFields & { token: string | undefined },
      actor: Actor = operator,
    ): Promise<CrmConnection | undefined> {
      const { crm, baseUrl, mapping, onErasure } = fields;
      return await sql.begin(async (tx) => {
        const [row] =
          token === undefined
            ? await tx<CrmConnection[]>`
              update crm_connections set mapping = ${asJson(tx, mapping)}, on_erasure = ${onErasure},
                updated_at = now()
              where project_id = ${projectId} and crm = ${crm} and base_url is not distinct from ${baseUrl}
              returning ${columns}`
            : await tx<CrmConnection[]>`
              insert into crm_connections (project_id, crm, token, last_four, base_url, mapping, on_erasure)
              values (${projectId}, ${crm}, ${encryption.encrypt(token, contextOf(projectId))}, ${token.slice(-4)},
                ${baseUrl}, ${asJson(tx, mapping)}, ${onErasure})
              on conflict (project_id) do update set crm = excluded.crm, token = excluded.token,
                last_four = excluded.last_four, base_url = excluded.base_url, mapping = excluded.mapping,
                on_erasure = excluded.on_erasure, updated_at = now()
              returning ${columns}`;
        if (row)
          await insertProjectAudit(tx, actor, projectId, 'crm.set', { type: 'crm', id: null }, { crm });
        return row;
      });
    },

    /** False where there was none. Contacts stay in the CRM. */
    async remove(projectId: string, actor: Actor = operator): Promise<boolean> {
      return await sql.begin(async (tx) => {
        const removed = await tx`delete from crm_connections where project_id = ${projectId} returning 1`;
        if (removed.length > 0) {
          await insertProjectAudit(tx, actor, projectId, 'crm.removed', { type: 'crm', id: null }, {});
        }
        return removed.length > 0;
      });
    },

    /** With the token, for a call. */
    async access(projectId: string): Promise<(CrmConnectionFields & { token: string }) | undefined> {
      const [row] = await sql<(CrmConnectionFields & { token: string })[]>`
        select crm, base_url, mapping, on_erasure, token from crm_connections where project_id = ${projectId}`;
      return row && { ...row, token: encryption.decrypt(row.token, contextOf(projectId)) };
    },
  };
}
