import type { Actor } from '../../domain/accounts.ts';
import type { KeyedProvider } from '../../domain/models.ts';
import { keyContext, type NewProviderKey, type ProviderKey } from '../../domain/provider-keys.ts';
import type { Encryption } from '../../encryption.ts';
import { insertProjectAudit } from './audit.ts';
import type { Query, Sql } from './client.ts';
import type { SecretSource } from './secrets.ts';

export type ProviderKeyStore = ReturnType<typeof createProviderKeyStore>;

export function createProviderKeyStore(sql: Sql, encryption: Encryption) {
  return {
    async list(projectId: string): Promise<ProviderKey[]> {
      return await sql<ProviderKey[]>`
        select provider, last_four, base_url, updated_at from provider_keys
        where project_id = ${projectId} order by provider`;
    },

    /** Replaces what the project had for this provider. */
    async put(
      projectId: string,
      provider: KeyedProvider,
      { apiKey, baseUrl }: NewProviderKey,
      actor: Actor,
    ): Promise<ProviderKey> {
      const secret = apiKey ? encryption.encrypt(apiKey, keyContext(projectId, provider)) : null;
      return await sql.begin(async (tx) => {
        const [row] = await tx<ProviderKey[]>`
          insert into provider_keys (project_id, provider, secret, last_four, base_url)
          values (${projectId}, ${provider}, ${secret}, ${apiKey?.slice(-4) ?? null}, ${baseUrl ?? null})
          on conflict (project_id, provider) do update set secret = excluded.secret,
            last_four = excluded.last_four, base_url = excluded.base_url, updated_at = now()
          returning provider, last_four, base_url, updated_at`;
        await audit(tx, projectId, provider, 'provider_key.set', actor);
        return row!;
      });
    },

    /** False where there was none. */
    async remove(projectId: string, provider: KeyedProvider, actor: Actor): Promise<boolean> {
      return await sql.begin(async (tx) => {
        const removed = await tx`
          delete from provider_keys where project_id = ${projectId} and provider = ${provider} returning 1`;
        if (removed.length > 0) await audit(tx, projectId, provider, 'provider_key.removed', actor);
        return removed.length > 0;
      });
    },
  };
}

async function audit(tx: Query, projectId: string, provider: KeyedProvider, action: string, actor: Actor) {
  await insertProjectAudit(tx, actor, projectId, action, { type: 'provider_key', id: null }, { provider });
}

/** All projects' keys, for the rotation of the encryption key. */
export function providerKeySecrets(sql: Sql): SecretSource {
  return {
    name: 'provider keys',
    async list() {
      const rows = await sql<{ projectId: string; provider: KeyedProvider; secret: string }[]>`
        select project_id, provider, secret from provider_keys where secret is not null`;
      return rows.map(({ projectId, provider, secret }) => ({
        ciphertext: secret,
        context: keyContext(projectId, provider),
        async replace(ciphertext) {
          await sql`
            update provider_keys set secret = ${ciphertext}
            where project_id = ${projectId} and provider = ${provider} and secret = ${secret}`;
        },
      }));
    },
  };
}
