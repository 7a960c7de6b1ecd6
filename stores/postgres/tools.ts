import { type Tool, tool } from '../../domain/tools.ts';
import type { Encryption } from '../../encryption.ts';
import type { Sql } from './client.ts';
import { newId } from './ids.ts';
import { asJson } from './json.ts';

export type ToolStore = ReturnType<typeof createToolStore>;

export interface ToolRecord extends Tool {
  id: string;
  name: string;
  dbConnectionId: string | null;
  config: Record<string, unknown>;
  createdAt: Date;
}
export type NewTool = Pick<ToolRecord, 'name' | 'dbConnectionId' | 'config'> & { settings: Tool };

interface Row {
  id: string;
  name: string;
  dbConnectionId: string | null;
  settings: unknown;
  config: string;
  createdAt: Date;
}
export const contextOf = (id: string) => `tools/${id}`;

export function createToolStore(sql: Sql, encryption: Encryption) {
  const columns = sql`id, name, db_connection_id, settings, config, created_at`;
  const recordOf = ({ settings, config, ...row }: Row): ToolRecord => ({
    ...tool.parse(settings),
    ...row,
    config: JSON.parse(encryption.decrypt(config, contextOf(row.id))),
  });

  return {
    async list(projectId: string): Promise<ToolRecord[]> {
      const rows = await sql<Row[]>`
        select ${columns} from tools where project_id = ${projectId} order by created_at, id`;
      return rows.map(recordOf);
    },

    async get(projectId: string, id: string): Promise<ToolRecord | undefined> {
      const [row] = await sql<
        Row[]
      >`select ${columns} from tools where project_id = ${projectId} and id = ${id}`;
      return row && recordOf(row);
    },

    /** Undefined where the project has one of this name. */
    async create(
      projectId: string,
      { name, dbConnectionId, settings, config }: NewTool,
    ): Promise<ToolRecord | undefined> {
      const id = newId();
      const sealed = encryption.encrypt(JSON.stringify(config), contextOf(id));
      const [row] = await sql<Row[]>`
        insert into tools (id, project_id, name, db_connection_id, settings, config)
        values (${id}, ${projectId}, ${name}, ${dbConnectionId}, ${asJson(sql, settings)}, ${sealed})
        on conflict (project_id, name) do nothing returning ${columns}`;
      return row && recordOf(row);
    },

    /** Puts all of it anew. Undefined where there is no such tool, or another has this name. */
    async replace(
      projectId: string,
      id: string,
      { name, dbConnectionId, settings, config }: NewTool,
    ): Promise<ToolRecord | undefined> {
      const sealed = encryption.encrypt(JSON.stringify(config), contextOf(id));
      const [row] = await sql<Row[]>`
        update tools set name = ${name}, db_connection_id = ${dbConnectionId}, settings = ${asJson(sql, settings)},
          config = ${sealed}
        where project_id = ${projectId} and id = ${id} and not exists (
          select 1 from tools where project_id = ${projectId} and name = ${name} and id <> ${id})
        returning ${columns}`;
      return row && recordOf(row);
    },

    async remove(projectId: string, id: string): Promise<boolean> {
      const removed = await sql`delete from tools where project_id = ${projectId} and id = ${id} returning 1`;
      return removed.length > 0;
    },
  };
}
