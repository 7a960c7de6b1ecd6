import { createHash, randomBytes } from 'node:crypto';
import { type ApiKey, type KeyEnvironment, type KeyKind, scopesOfKind } from '../../domain/auth.ts';
import type { Sql } from './client.ts';
import { newId } from './ids.ts';

export type KeyStore = ReturnType<typeof createKeyStore>;

/** Only this hash is stored. The key itself has 190 random bits, so a fast hash without salt is enough. */
const hashOf = (key: string) => createHash('sha256').update(key).digest();

export function newApiKey(environment: KeyEnvironment): string {
  return `cb_${environment}_${randomBytes(24).toString('base64url')}`;
}

export function createKeyStore(sql: Sql) {
  return {
    /** The key that this string is, if it is known, not revoked, not expired, and its project is active. */
    async find(key: string): Promise<ApiKey | undefined> {
      const [row] = await sql<ApiKey[]>`
        select k.id, k.project_id, k.kind, k.environment, k.scopes
        from api_keys k join projects p on p.id = k.project_id and p.active
        where k.hash = ${hashOf(key)} and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())`;
      return row;
    },

    /** Stores a key by its hash and prefix. The same key again changes nothing. */
    async create(
      projectId: string,
      options: { key: string; name: string; kind: KeyKind; environment: KeyEnvironment },
    ): Promise<void> {
      await sql`
        insert into api_keys (id, project_id, name, kind, environment, scopes, prefix, hash)
        values (${newId()}, ${projectId}, ${options.name}, ${options.kind}, ${options.environment},
          ${sql.array([...scopesOfKind[options.kind]])}, ${options.key.slice(0, 12)}, ${hashOf(options.key)})
        on conflict (hash) do nothing`;
    },
  };
}
