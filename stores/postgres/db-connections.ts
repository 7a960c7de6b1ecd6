import { type DbConnection, type DbSecrets, dbConnection } from '../../domain/tools.ts';
import type { Encryption } from '../../encryption.ts';
import type { Sql } from './client.ts';
import { newId } from './ids.ts';
import { asJson } from './json.ts';

export type DbConnectionStore = ReturnType<typeof createDbConnectionStore>;

export interface DbConnectionRecord extends DbConnection {
  id: string;
  name: string;
  secrets: DbSecrets;
  createdAt: Date;
}
export type NewDbConnection = Pick<DbConnectionRecord, 'name' | 'secrets'> & { settings: DbConnection };

interface Row {
  id: string;
  name: string;
  settings: unknown;
  secrets: string;
  createdAt: Date;
}
export const contextOf = (id: string) => `db_connections/${id}`;

export function createDbConnectionStore(sql: Sql, encryption: Encryption) {
  const columns = sql`id, name, settings, secrets, created_at`;
  const recordOf = ({ settings, secrets, ...row }: Row): DbConnectionRecord => ({
    ...dbConnection.parse(settings),
    ...row,
    secrets: JSON.parse(encryption.decrypt(secrets, contextOf(row.id))),
  });

  return {
    async list(projectId: string): Promise<DbConnectionRecord[]> {
      const rows = await sql<Row[]>`
        select ${columns} from db_connections where project_id = ${projectId} order by created_at, id`;
      return rows.map(recordOf);
    },

    async get(projectId: string, id: string): Promise<DbConnectionRecord | undefined> {
      const [row] = await sql<Row[]>`
        select ${columns} from db_connections where project_id = ${projectId} and id = ${id}`;
      return row && recordOf(row);
    },

    /** Undefined where the project has one of this name. */
    async create(
      projectId: string,
      { name, settings, secrets }: NewDbConnection,
    ): Promise<DbConnectionRecord | undefined> {
      const id = newId();
      const sealed = encryption.encrypt(JSON.stringify(secrets), contextOf(id));
      const [row] = await sql<Row[]>`
        insert into db_connections (id, project_id, name, settings, secrets)
        values (${id}, ${projectId}, ${name}, ${asJson(sql, settings)}, ${sealed})
        on conflict (project_id, name) do nothing returning ${columns}`;
      return row && recordOf(row);
    },

    /** Puts all of it anew. Undefined where there is no such connection, or another has this name. */
    async replace(
      projectId: string,
      id: string,
      { name, settings, secrets }: NewDbConnection,
    ): Promise<DbConnectionRecord | undefined> {
      const sealed = encryption.encrypt(JSON.stringify(secrets), contextOf(id));
      const [row] = await sql<Row[]>`
        update db_connections set name = ${name}, settings = ${asJson(sql, settings)}, secrets = ${sealed}
        where project_id = ${projectId} and id = ${id} and not exists (
          select 1 from db_connections where project_id = ${projectId} and name = ${name} and id <> ${id})
        returning ${columns}`;
      return row && recordOf(row);
    },

    async remove(projectId: string, id: string): Promise<boolean> {
      const removed = await sql`
        delete from db_connections where project_id = ${projectId} and id = ${id} returning 1`;
      return removed.length > 0;
    },
  };
}
