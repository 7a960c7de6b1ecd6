// Commands that need no account: whoever can run them has the database anyway.
import { text } from 'node:stream/consumers';
import { type Config, encryptionKeys, required } from '../config.ts';
import type { Actor } from '../domain/accounts.ts';
import type { KeyKind } from '../domain/auth.ts';
import { hostName } from '../domain/hosts.ts';
import { createEncryption } from '../encryption.ts';
import { connectPostgres, isUuid } from '../stores/postgres/client.ts';
import { createStores, type Stores } from '../stores/postgres/index.ts';

export const operator: Actor = { type: 'operator', id: null, ip: null };

/** Makes a user a platform admin, or takes that away. Throws an Error that says what is wrong. */
export async function setPlatformAdmin(
  config: Config,
  email: string,
  platformAdmin: boolean,
): Promise<string> {
  return await withStores(config, async ({ users }) => {
    const address = email.toLowerCase();
    if (!(await users.setPlatformAdmin(address, platformAdmin, operator))) {
      throw new Error(`Nobody has an account with the address ${address}.`);
    }
    return platformAdmin ? `${address} is a platform admin.` : `${address} is no platform admin any more.`;
  });
}

/**
 * Makes a key that an existing system handed out a key of a project here, so that pages and servers that have it need
 * no change. The key is read from `input`: an argument would stay in the shell's history.
 */
export async function importKey(
  config: Config,
  projectId: string,
  kind: KeyKind,
  input: NodeJS.ReadableStream,
): Promise<string> {
  const key = (await text(input)).trim();
  if (key === '' || /\s/.test(key) || key.length > 500) throw new Error('Give one key on standard input.');
  return await withStores(config, async ({ projects, keys }) => {
    const project = isUuid(projectId) ? await projects.record(projectId) : undefined;
    if (!project) throw new Error(`There is no project ${projectId}.`);
    const imported = await keys.create(
      projectId,
      { key, name: 'Imported key', kind, environment: 'live' },
      operator,
    );
    if (!imported) throw new Error('This key is in use already: a key belongs to one project.');
    return `The key is a ${kind} key of ${project.name}. It may: ${imported.scopes.join(', ')}.`;
  });
}

/** Lets a project answer the pages of a host, whoever did so before. */
export async function setHost(config: Config, host: string, projectId: string): Promise<string> {
  const name = hostName.safeParse(host);
  if (!name.success) throw new Error(`${host} ${name.error.issues[0]!.message}.`);
  return await withStores(config, async ({ projects, hosts }) => {
    const project = isUuid(projectId) ? await projects.record(projectId) : undefined;
    if (!project) throw new Error(`There is no project ${projectId}.`);
    await hosts.move(projectId, name.data, operator);
    return `${project.name} answers the pages of ${name.data}.`;
  });
}

/** The stores, for as long as the work takes. */
export async function withStores<T>(config: Config, work: (stores: Stores) => Promise<T>): Promise<T> {
  const url = required(config, 'DATABASE_URL');
  const sql = connectPostgres(url, { poolSize: 1, applicationName: 'frontdesk-cli' });
  try {
    return await work(createStores(sql, createEncryption(encryptionKeys(config))));
  } finally {
    await sql.end({ timeout: 1 });
  }
}
