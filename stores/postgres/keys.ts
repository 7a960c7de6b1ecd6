import { createHash, randomBytes } from 'node:crypto';
import type { Actor } from '../../domain/accounts.ts';
import {
  type ApiKey,
  type ApiKeyRecord,
  type KeyEnvironment,
  type KeyKind,
  type Scope,
  type SiteRules,
  scopesOfKind,
} from '../../domain/auth.ts';
import { keyUse } from '../../domain/deadlines.ts';
import type { Dispatch } from '../../domain/flows.ts';
import { mailLanguageOf } from '../../domain/mails.ts';
import type { Encryption } from '../../encryption.ts';
import { insertProjectAudit, operator } from './audit.ts';
import type { Query, Sql } from './client.ts';
import { newId } from './ids.ts';
import { insertMail } from './mails.ts';

export type KeyStore = ReturnType<typeof createKeyStore>;

/** Only this hash is stored. The key itself has 190 random bits, so a fast hash without salt is enough. */
const hashOf = (key: string) => createHash('sha256').update(key).digest();

export function newApiKey(environment: KeyEnvironment): string {
  return `cb_${environment}_${randomBytes(24).toString('base64url')}`;
}

export interface NewKey {
  key: string;
  name: string;
  kind: KeyKind;
  environment: KeyEnvironment;
  /** Fewer than the kind allows; undefined: all of them. */
  scopes?: readonly Scope[] | undefined;
  expiresAt?: Date | undefined;
}

export interface FoundKey extends ApiKey, SiteRules {
  publicSince: Date | null;
  /** Whether its last use was written down so long ago that this one should be. */
  useIsOld: boolean;
}

export function createKeyStore(sql: Sql, encryption: Encryption) {
  const columns = sql`id, project_id, kind, environment, scopes, name, prefix, created_at, expires_at, last_used_at,
    public_since`;
  const good = sql`revoked_at is null and (expires_at is null or expires_at > now())`;

  return {
    /** The key that this string is, if it is known, not revoked, not expired, and its project is active. */
    async find(key: string): Promise<FoundKey | undefined> {
      const [row] = await sql<FoundKey[]>`
        select k.id, k.project_id, k.kind, k.environment, k.scopes, k.public_since,
          coalesce(k.last_used_at < now() - ${keyUse} * interval '1 millisecond', true) as use_is_old,
          coalesce((select array_agg(d) from jsonb_array_elements_text(p.settings->'allowedDomains') d), '{}') as allowed_domains,
          coalesce((p.settings->'allowLocalhost')::boolean, false) as allow_localhost
        from api_keys k join projects p on p.id = k.project_id and p.active and p.deleted_at is null
        where k.hash = ${hashOf(key)} and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())`;
      return row;
    },

    async used(keyId: string): Promise<void> {
      await sql`update api_keys set last_used_at = now() where id = ${keyId}`;
    },

    /**
     * Flags an ordinary key that a browser sent: since then everybody can read it in a page. The first time, it is
     * audited and the workspace's owners are written to. Returns the starts of those mails.
     */
    async markPublic(projectId: string, keyId: string, ip: string | null): Promise<Dispatch[]> {
      return await sql.begin(async (tx) => {
        const [key] = await tx<{ prefix: string; project: string; language: string | null }[]>`
          update api_keys k set public_since = now() from projects p
          where k.project_id = ${projectId} and k.id = ${keyId} and k.public_since is null and p.id = k.project_id
          returning k.prefix, p.name as project, p.settings->>'primaryLanguage' as language`;
        if (!key) return [];
        await audit(tx, { type: 'system', id: null, ip }, projectId, keyId, 'key.seen_in_browser', {});
        const owners = await tx<{ email: string }[]>`
          select u.email from projects p join memberships m on m.workspace_id = p.workspace_id and m.role = 'owner'
          join users u on u.id = m.user_id and u.suspended_at is null where p.id = ${projectId}`;
        const dispatches = [];
        for (const { email } of owners) {
          const mail = {
            projectId: null,
            template: 'key_public_warning',
            params: { project: key.project, keyPrefix: key.prefix },
            to: email,
            language: mailLanguageOf(key.language),
          } as const;
          dispatches.push(await insertMail(tx, encryption, mail));
        }
        return dispatches;
      });
    },

    /** Newest first, without those that ended. */
    async list(projectId: string): Promise<ApiKeyRecord[]> {
      return await sql<ApiKeyRecord[]>`
        select ${columns} from api_keys where project_id = ${projectId} and ${good} order by created_at desc, id desc`;
    },

    /** Stores a key by its hash and prefix. Undefined where some project has this very key already. */
    async create(projectId: string, key: NewKey, actor: Actor = operator): Promise<ApiKeyRecord | undefined> {
      return await sql.begin((tx) => insertKey(tx, projectId, key, actor));
    },

    async get(projectId: string, keyId: string): Promise<ApiKeyRecord | undefined> {
      const [row] = await sql<ApiKeyRecord[]>`
        select ${columns} from api_keys where project_id = ${projectId} and id = ${keyId} and ${good}`;
      return row;
    },

    /** Leaves a key with fewer scopes, or with another name. Undefined where there is no such key. */
    async change(
      projectId: string,
      keyId: string,
      change: { name?: string | undefined; scopes?: readonly Scope[] | undefined },
      actor: Actor,
    ): Promise<ApiKeyRecord | undefined> {
      return await sql.begin(async (tx) => {
        const [row] = await tx<ApiKeyRecord[]>`
          update api_keys set name = coalesce(${change.name ?? null}, name),
            scopes = coalesce(${change.scopes ? tx.array([...change.scopes]) : null}, scopes)
          where project_id = ${projectId} and id = ${keyId} and ${good} returning ${columns}`;
        if (row) await audit(tx, actor, projectId, keyId, 'key.changed', { ...change });
        return row;
      });
    },

    /** Puts another key in a key's place. The old one ends after the grace, or at once. Undefined: there is no such key. */
    async rotate(
      projectId: string,
      keyId: string,
      next: { key: string; graceSeconds: number },
      actor: Actor,
    ): Promise<ApiKeyRecord | undefined> {
      return await sql.begin(async (tx) => {
        const [old] = await tx<ApiKeyRecord[]>`
          update api_keys set
            revoked_at = case when ${next.graceSeconds} = 0 then now() end,
            expires_at = case when ${next.graceSeconds} = 0 then expires_at
              else least(expires_at, now() + ${next.graceSeconds} * interval '1 second') end
          where project_id = ${projectId} and id = ${keyId} and ${good} returning ${columns}`;
        if (!old) return undefined;
        await audit(tx, actor, projectId, keyId, 'key.rotated', { graceSeconds: next.graceSeconds });
        return await insertKey(tx, projectId, { ...old, expiresAt: undefined, key: next.key }, actor);
      });
    },

    /** Ends every ordinary key and makes one in their place: what the existing clients call rotating. */
    async replaceOrdinary(projectId: string, key: string, actor: Actor): Promise<void> {
      await sql.begin(async (tx) => {
        const ended = await tx<{ id: string; environment: KeyEnvironment }[]>`
          update api_keys set revoked_at = now()
          where project_id = ${projectId} and kind = 'ordinary' and ${good} returning id, environment`;
        for (const { id } of ended) await audit(tx, actor, projectId, id, 'key.rotated', { graceSeconds: 0 });
        await insertKey(
          tx,
          projectId,
          { key, name: 'Project key', kind: 'ordinary', environment: 'live' },
          actor,
        );
      });
    },

    /** False where there is no such key. */
    async revoke(projectId: string, keyId: string, actor: Actor): Promise<boolean> {
      return await sql.begin(async (tx) => {
        const rows = await tx`
          update api_keys set revoked_at = now()
          where project_id = ${projectId} and id = ${keyId} and ${good} returning 1`;
        if (rows.length === 0) return false;
        await audit(tx, actor, projectId, keyId, 'key.revoked', {});
        return true;
      });
    },
  };
}

/** Undefined where some project has this very key already. */
export async function insertKey(
  tx: Query,
  projectId: string,
  { key, name, kind, environment, scopes, expiresAt }: NewKey,
  actor: Actor,
): Promise<ApiKeyRecord | undefined> {
  const [row] = await tx<ApiKeyRecord[]>`
    insert into api_keys (id, project_id, name, kind, environment, scopes, prefix, hash, expires_at, created_by)
    values (${newId()}, ${projectId}, ${name}, ${kind}, ${environment},
      ${tx.array([...(scopes ?? scopesOfKind[kind])])}, ${prefixOf(key)}, ${hashOf(key)}, ${expiresAt ?? null},
      ${actor.type === 'user' ? actor.id : null})
    on conflict (hash) do nothing
    returning id, project_id, kind, environment, scopes, name, prefix, created_at, expires_at, last_used_at, public_since`;
  if (row)
    await audit(tx, actor, projectId, row.id, 'key.created', { kind, environment, scopes: row.scopes });
  return row;
}

/** Enough to tell keys apart, and never more than a third of one: imported keys may be short. */
const prefixOf = (key: string) => key.slice(0, Math.min(12, Math.floor(key.length / 3)));

async function audit(
  tx: Query,
  actor: Actor,
  projectId: string,
  keyId: string,
  action: string,
  details: Record<string, unknown>,
): Promise<void> {
  await insertProjectAudit(tx, actor, projectId, action, { type: 'api_key', id: keyId }, details);
}
