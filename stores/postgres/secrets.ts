import type { Sql } from './client.ts';
import { contextOf as mailContext } from './mails.ts';
import { providerKeySecrets } from './provider-keys.ts';
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
  columnSecrets(sql, { name: 'mails that wait', table: 'mails', column: 'params', contextOf: mailContext }),
];

/** The encrypted column of a table whose rows have an id. */
function columnSecrets(
  sql: Sql,
  source: { name: string; table: string; column: string; contextOf: (id: string) => string },
): SecretSource {
  const table = sql(source.table);
  const column = sql(source.column);
  return {
    name: source.name,
    async list() {
      const rows = await sql<{ id: string; ciphertext: string }[]>`
        select id, ${column} as ciphertext from ${table} where ${column} is not null`;
      return rows.map(({ id, ciphertext }) => ({
        ciphertext,
        context: source.contextOf(id),
        async replace(replacement) {
          await sql`update ${table} set ${column} = ${replacement} where id = ${id} and ${column} = ${ciphertext}`;
        },
      }));
    },
  };
}
