import type { Sql } from './client.ts';
import { contextOf as crmContext } from './crm-connections.ts';
import { contextOf as databaseContext } from './db-connections.ts';
import { contextOf as mailContext } from './mails.ts';
import { providerKeySecrets } from './provider-keys.ts';
import { contextOf as toolContext } from './tools.ts';
import { contextOf as loginContext } from './visitor-logins.ts';
import { contextOf as webhookContext } from './webhooks.ts';

/** One encrypted value. `replace` does nothing where it was changed since it was read. */
export interface StoredSecret {
  ciphertext: string;
  context: string;
  replace(ciphertext: string): Promise<void>;
}

export interface SecretSource {
  /** In words, for the operator. */
  name: string;
  list(): Promise<StoredSecret[]>;
}

/** Every place where something encrypted is kept: a new one is added here, or a rotation would miss it. */
export const secretSources = (sql: Sql): SecretSource[] => [
  providerKeySecrets(sql),
  columnSecrets(sql, {
    name: 'webhook secrets',
    table: 'webhooks',
    column: 'secret',
    contextOf: webhookContext,
  }),
  columnSecrets(sql, {
    name: 'CRM tokens',
    table: 'crm_connections',
    id: 'project_id',
    column: 'token',
    contextOf: crmContext,
  }),
  columnSecrets(sql, { name: 'mails that wait', table: 'mails', column: 'params', contextOf: mailContext }),
  ...(['extra_headers', 'secret'] as const).map((column) =>
    columnSecrets(sql, {
      name: `visitor logins (${column})`,
      table: 'visitor_logins',
      id: 'project_id',
      column,
      contextOf: (projectId) => loginContext(projectId, column),
    }),
  ),
  columnSecrets(sql, {
    name: 'database connections',
    table: 'db_connections',
    column: 'secrets',
    contextOf: databaseContext,
  }),
  columnSecrets(sql, { name: 'tools', table: 'tools', column: 'config', contextOf: toolContext }),
];

/** The encrypted column of a table whose rows have an id, in the column of that name or another. */
function columnSecrets(
  sql: Sql,
  source: { name: string; table: string; id?: string; column: string; contextOf: (id: string) => string },
): SecretSource {
  const table = sql(source.table);
  const column = sql(source.column);
  const idColumn = sql(source.id ?? 'id');
  return {
    name: source.name,
    async list() {
      const rows = await sql<{ id: string; ciphertext: string }[]>`
        select ${idColumn} as id, ${column} as ciphertext from ${table} where ${column} is not null`;
      return rows.map(({ id, ciphertext }) => ({
        ciphertext,
        context: source.contextOf(id),
        async replace(replacement) {
          await sql`update ${table} set ${column} = ${replacement} where ${idColumn} = ${id} and ${column} = ${ciphertext}`;
        },
      }));
    },
  };
}
