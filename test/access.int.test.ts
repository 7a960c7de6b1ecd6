// Who may call what, for every route that the server says it has.
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type KeyKind, type Role, roles, type Scope, scopesOfKind } from '../domain/auth.ts';
import { newApiKey } from '../stores/postgres/keys.ts';
import { createPeople, type Person } from './support/accounts.ts';
import { createApiClient } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import { type Operation, operationsOf } from './support/operations.ts';

let environment: TestEnvironment;
let api: ReturnType<typeof createApiClient>;
let operations: Operation[];
let projectId: string;
let workspaceId: string;
const members = {} as Record<Role, Person>;
let outsider: Person;
const keys = {} as Record<KeyKind, string>;
let foreignKey: string;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  const limits = { RATE_LIMIT_MAX_REQUESTS: '1000000', RATE_LIMIT_VISITOR_REQUESTS: '1000000' };
  const [{ url }] = await Promise.all([environment.startApi(limits), environment.startWorker()]);
  api = createApiClient(url, undefined);
  operations = operationsOf((await api.call('GET', '/v1/openapi.json')).json);
  const people = createPeople(url, inject('servers').mailboxUrl);
  members.owner = await people.signUp();
  workspaceId = members.owner.workspaceId;
  for (const role of roles.filter((role) => role !== 'owner')) {
    members[role] = await people.signUp();
    await environment.sql`
      insert into memberships (workspace_id, user_id, role) values (${workspaceId}, ${members[role].userId}, ${role})`;
  }
  outsider = await people.signUp();
  const created = await api.call('POST', '/projects', { name: 'Shop' }, members.owner.bearer);
  projectId = created.json.project.id;
  keys.ordinary = created.json.apiKey;
  foreignKey = (await api.call('POST', '/projects', { name: 'Other' }, outsider.bearer)).json.apiKey;
  for (const kind of ['secret', 'publishable'] as const) {
    keys[kind] = newApiKey('live');
    await environment.stores.keys.create(projectId, {
      key: keys[kind],
      kind,
      name: kind,
      environment: 'live',
    });
  }
});
afterAll(() => environment?.close());

/** Access is decided before anything is read, so nothing but the path has to make sense. */
const attempt = ({ method, path, role }: Operation, headers: Record<string, string>) => {
  const ids: Record<string, string> = { projectId, workspaceId };
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name) => ids[name] ?? crypto.randomUUID());
  const query =
    role && !path.includes('{projectId}') && !path.includes('{workspaceId}')
      ? `?projectId=${projectId}&tenant_id=${projectId}`
      : '';
  return api.call(method, filled + query, undefined, headers);
};
const withKey = (key: string, extra = {}) => ({ 'x-api-key': key, ...extra });
/** A foreign client's errors have its own shape, and no code. */
const isOurs = ({ path }: Operation) => !path.startsWith('/api/');
const name = ({ method, path }: Operation) => `${method} ${path}`;

test('the public routes are these and no other', () => {
  const open = operations.filter(({ access }) => access === 'public').map(name);
  expect(open.sort()).toMatchSnapshot();
});

test('without a credential, or with one that is none, every other route says 401', async () => {
  for (const operation of operations.filter(({ access }) => access !== 'public')) {
    expect((await attempt(operation, {})).status, name(operation)).toBe(401);
    const wrong = await attempt(operation, { 'x-api-key': 'nope', authorization: 'Bearer no.such.token' });
    expect(wrong.status, name(operation)).toBe(401);
  }
});

test('a key needs the scope of the route', async () => {
  const scoped = operations.filter(
    (operation): operation is Operation & { scope: Scope } => !!operation.scope,
  );
  expect(scoped.length).toBeGreaterThan(10);
  for (const operation of scoped) {
    for (const kind of Object.keys(keys) as KeyKind[]) {
      const may = scopesOfKind[kind].includes(operation.scope);
      const answer = await attempt(operation, withKey(keys[kind]));
      expect(answer.json?.code === 'INSUFFICIENT_SCOPE', `${name(operation)} with a ${kind} key`).toBe(!may);
      if (operation.scope === 'chat') continue;
      const fromPage = await attempt(operation, withKey(keys[kind], { origin: 'https://shop.example' }));
      expect(fromPage.json?.code, `${name(operation)} from a page`).toBe('INSUFFICIENT_SCOPE');
    }
  }
});

describe('a member needs the role of the route', () => {
  const withRoles = () =>
    operations.filter((operation): operation is Operation & { role: Role } => !!operation.role);

  test('and is refused below it', async () => {
    expect(withRoles().length).toBeGreaterThan(20);
    for (const operation of withRoles()) {
      for (const role of roles.slice(0, roles.indexOf(operation.role))) {
        const answer = await attempt(operation, members[role].bearer);
        expect(answer.status, `${name(operation)} as ${role}`).toBe(403);
        if (isOurs(operation)) expect(answer.json?.code, name(operation)).toBe('INSUFFICIENT_ROLE');
      }
    }
  });

  test('and is admitted at it', async () => {
    // Reading only: the others would change what the next one looks at.
    for (const operation of withRoles().filter(({ method }) => method === 'GET')) {
      const answer = await attempt(operation, members[operation.role].bearer);
      expect([401, 403], `${name(operation)} as ${operation.role}`).not.toContain(answer.status);
    }
  });

  test('who is no member finds nothing there', async () => {
    for (const operation of withRoles()) {
      const answer = await attempt(operation, outsider.bearer);
      expect(answer.status, name(operation)).toBe(404);
      if (isOurs(operation))
        expect(answer.json.code, name(operation)).toMatch(/^(PROJECT|WORKSPACE)_NOT_FOUND$/);
    }
  });

  test('a key of another project does not open a project by its id', async () => {
    for (const operation of withRoles().filter(({ path }) => path.includes('{projectId}'))) {
      expect([401, 403, 404], name(operation)).toContain(
        (await attempt(operation, withKey(foreignKey))).status,
      );
    }
  });
});

test('the routes of platform admins do not exist for others', async () => {
  const platform = operations.filter(({ access }) => access === 'platform admin');
  expect(platform.length).toBeGreaterThan(0);
  for (const operation of platform) {
    const answer = await attempt(operation, members.owner.bearer);
    expect([answer.status, answer.json.code], name(operation)).toEqual([404, 'ROUTE_NOT_FOUND']);
  }
});
