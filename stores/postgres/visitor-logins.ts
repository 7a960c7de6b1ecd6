import { randomBytes } from 'node:crypto';
import { type VisitorLogin, visitorLogin } from '../../domain/visitor-logins.ts';
import type { Encryption } from '../../encryption.ts';
import type { Sql } from './client.ts';
import { asJson } from './json.ts';

export type VisitorLoginStore = ReturnType<typeof createVisitorLoginStore>;

export interface StoredLogin {
  settings: VisitorLogin;
  /** Sent with the site's login call; they may hold keys of the site. */
  extraHeaders: Record<string, string>;
  hasSecret: boolean;
}

const newSecret = () => randomBytes(32).toString('base64url');
export const contextOf = (projectId: string, field: 'extra_headers' | 'secret') =>
  `visitor_logins/${projectId}/${field}`;

export function createVisitorLoginStore(sql: Sql, encryption: Encryption) {
  async function read(projectId: string) {
    const [row] = await sql<{ settings: unknown; extraHeaders: string | null; secret: string | null }[]>`
      select settings, extra_headers, secret from visitor_logins where project_id = ${projectId}`;
    return row;
  }

  return {
    /** What was set, and defaults for the rest. */
    async get(projectId: string): Promise<StoredLogin> {
      const row = await read(projectId);
      const headers = row?.extraHeaders;
      return {
        settings: visitorLogin.parse(row?.settings ?? {}),
        extraHeaders: headers
          ? JSON.parse(encryption.decrypt(headers, contextOf(projectId, 'extra_headers')))
          : {},
        hasSecret: Boolean(row?.secret),
      };
    },

    async put(
      projectId: string,
      { settings, extraHeaders }: Pick<StoredLogin, 'settings' | 'extraHeaders'>,
    ): Promise<void> {
      const sealed = encryption.encrypt(JSON.stringify(extraHeaders), contextOf(projectId, 'extra_headers'));
      await sql`
        insert into visitor_logins (project_id, settings, extra_headers)
        values (${projectId}, ${asJson(sql, settings)}, ${sealed})
        on conflict (project_id) do update set
          settings = excluded.settings, extra_headers = excluded.extra_headers`;
    },

    /** What signs the tokens of the project's visitors; made when it is first needed. */
    async secret(projectId: string): Promise<string> {
      const sealed = encryption.encrypt(newSecret(), contextOf(projectId, 'secret'));
      const [row] = await sql<{ secret: string }[]>`
        insert into visitor_logins (project_id, secret) values (${projectId}, ${sealed})
        on conflict (project_id) do update set secret = coalesce(visitor_logins.secret, excluded.secret)
        returning secret`;
      return encryption.decrypt(row!.secret, contextOf(projectId, 'secret'));
    },

    /** Puts another in its place: tokens that were signed before are good no longer. */
    async replaceSecret(projectId: string): Promise<string> {
      const secret = newSecret();
      const sealed = encryption.encrypt(secret, contextOf(projectId, 'secret'));
      await sql`
        insert into visitor_logins (project_id, secret) values (${projectId}, ${sealed})
        on conflict (project_id) do update set secret = excluded.secret`;
      return secret;
    },
  };
}
