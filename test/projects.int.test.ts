import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createPeople, type Person } from './support/accounts.ts';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';

let environment: TestEnvironment;
let people: ReturnType<typeof createPeople>;
let url: string;
let api: ReturnType<typeof createApiClient>;
let owner: Person;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  [{ url }] = await Promise.all([environment.startApi(), environment.startWorker()]);
  api = createApiClient(url, undefined);
  people = createPeople(url, inject('servers').mailboxUrl);
  owner = await people.signUp();
});
afterAll(() => environment?.close());

/** As the owner, or as somebody else. */
const as = (method: string, path: string, body?: unknown, person: Person = owner) =>
  api.call(method, path, body, person.bearer);
const withKey = (key: string, method: string, path: string, body?: unknown, headers = {}) =>
  api.call(method, path, body, { 'x-api-key': key, ...headers });

async function createProject(body: object = {}): Promise<{ id: string; apiKey: string }> {
  const answer = await as('POST', '/projects', { name: 'Shop', ...body });
  expect(answer.status, answer.text).toBe(201);
  return { id: answer.json.project.id, apiKey: answer.json.apiKey };
}

describe('a project', () => {
  test('has the settings it was given, and defaults; what is changed is changed alone', async () => {
    const created = await as('POST', '/projects', {
      name: 'Shop',
      modelProvider: 'local',
      tokenLimit: 100_000,
      modelConfig: { temperature: 0.2, assistantMessageLimit: 2 },
      siteName: 'The Shop',
    });
    const { id } = created.json.project;
    expect(created.json.project).toMatchObject({
      workspaceId: owner.workspaceId,
      tokenLimit: 100_000,
      modelConfig: { temperature: 0.2, assistantMessageLimit: 2, maxOutputTokens: 500 },
    });
    const changed = await as('PATCH', `/projects/${id}`, {
      chatbotName: 'Bot',
      modelConfig: { temperature: 0.5 },
    });
    expect(changed.json.project).toMatchObject({
      chatbotName: 'Bot',
      siteName: 'The Shop',
      tokenLimit: 100_000,
      modelConfig: { temperature: 0.5, assistantMessageLimit: 2 },
    });
    expect((await as('PATCH', `/projects/${id}`, { tokenLimit: null })).json.project.tokenLimit).toBeNull();
    expect((await as('GET', `/projects/${id}`)).json.project.modelConfig.temperature).toBe(0.5);
  });

  test.each([
    [{ name: '' }, 'name'],
    [{ modelProvider: 'nobody' }, 'modelProvider'],
    [{ primaryColor: 'teal' }, 'primaryColor'],
    [{ modelConfig: { temperature: 3 } }, 'modelConfig.temperature'],
    [{ allowedDomains: ['https://shop.example/path'] }, 'allowedDomains.0'],
  ])('refuses %j and says where', async (body, field) => {
    const { id } = await createProject();
    const answer = await as('PATCH', `/projects/${id}`, body);
    expect([answer.status, answer.json.code, answer.json.details.issues[0].field]).toEqual([
      400,
      'INVALID_REQUEST',
      field,
    ]);
  });

  test('shows its key once, and nowhere else', async () => {
    const { id, apiKey } = await createProject();
    for (const path of ['', '/widget', '/integration', '/keys', '/documents', '/audit-log']) {
      const answer = await as('GET', `/projects/${id}${path}`);
      if (path !== '/documents') expect(answer.status, path + answer.text).toBe(200);
      expect(answer.text).not.toContain(apiKey);
    }
    const dump = await environment.sql`select row_to_json(k)::text as row from api_keys k`;
    expect(dump.map(({ row }) => row).join()).not.toContain(apiKey);
  });

  test('deactivated, it refuses its keys until it is active again', async () => {
    const { id, apiKey } = await createProject();
    await as('PATCH', `/projects/${id}`, { active: false });
    expect((await withKey(apiKey, 'GET', '/documents')).json.code).toBe('INVALID_API_KEY');
    await as('PATCH', `/projects/${id}`, { active: true });
    expect((await withKey(apiKey, 'GET', '/documents')).status).toBe(200);
  });

  test('deleted, it leaves a receipt and nothing else, in PostgreSQL and in Elasticsearch', async () => {
    const { id, apiKey } = await createProject();
    const client = createApiClient(url, apiKey);
    await client.ready(await client.upload('# Lamps\n\nThe lamp has a warranty of two years.'));
    expect((await client.ask('How long is the warranty of the lamp?')).status).toBe(200);
    const other = await createProject();
    const otherClient = createApiClient(url, other.apiKey);
    await otherClient.ready(await otherClient.upload('# Chairs\n\nThe chair has a warranty of one year.'));

    expect((await as('DELETE', `/projects/${id}`)).status).toBe(202);
    expect((await client.call('GET', '/documents')).status).toBe(401);
    expect((await as('GET', `/projects/${id}`)).json.code).toBe('PROJECT_NOT_FOUND');
    const receipt = await eventually(async () => {
      const { deletions } = (await as('GET', `/workspaces/${owner.workspaceId}/project-deletions`)).json;
      return deletions.find(
        (deletion: { projectId: string; finishedAt: string | null }) =>
          deletion.projectId === id && deletion.finishedAt !== null,
      );
    }, 60_000);
    expect(receipt.removed).toMatchObject({ documents: 1, turns: 1, chunks: 1, indexedChunks: 1 });
    expect(Object.values(receipt.remaining).every((count) => count === 0)).toBe(true);
    expect(await environment.stores.projectDeletions.remainingRows(id)).toEqual(
      Object.fromEntries(
        Object.keys(receipt.remaining).flatMap((name) => (name === 'indexedChunks' ? [] : [[name, 0]])),
      ),
    );
    expect((await otherClient.ask('How long is the warranty of the chair?')).json.reply).toContain(
      'one year',
    );
  }, 90_000);
});

describe('keys', () => {
  const makeKey = async (projectId: string, body: object) =>
    (await as('POST', `/projects/${projectId}/keys`, { name: 'k', kind: 'secret', ...body })).json;

  test('rotating the project key ends the old one at once', async () => {
    const { id, apiKey } = await createProject();
    const { apiKey: next } = (await as('POST', `/projects/${id}/rotate-key`)).json;
    expect((await withKey(apiKey, 'GET', '/documents')).status).toBe(401);
    expect((await withKey(next, 'GET', '/documents')).status).toBe(200);
  });

  test('a key rotated with a grace and its successor both work until the grace is over', async () => {
    const { id } = await createProject();
    const { key, apiKey } = await makeKey(id, {});
    const rotated = await as('POST', `/projects/${id}/keys/${key.id}/rotate`, { graceSeconds: 3_600 });
    expect(rotated.status, rotated.text).toBe(200);
    for (const each of [apiKey, rotated.json.apiKey]) {
      expect((await withKey(each, 'GET', '/documents')).status).toBe(200);
    }
    await environment.sql`update api_keys set expires_at = now() where id = ${key.id}`;
    expect((await withKey(apiKey, 'GET', '/documents')).status).toBe(401);
    expect((await withKey(rotated.json.apiKey, 'GET', '/documents')).status).toBe(200);
  });

  test('have scopes that can be narrowed and never widened; revoked, they end', async () => {
    const { id } = await createProject();
    const { key, apiKey } = await makeKey(id, { kind: 'ordinary', scopes: ['chat', 'documents'] });
    expect((await withKey(apiKey, 'GET', '/conversations')).json.code).toBe('INSUFFICIENT_SCOPE');
    await as('PATCH', `/projects/${id}/keys/${key.id}`, { scopes: ['chat'] });
    expect((await withKey(apiKey, 'GET', '/documents')).json.code).toBe('INSUFFICIENT_SCOPE');
    const wider = await as('PATCH', `/projects/${id}/keys/${key.id}`, { scopes: ['chat', 'admin'] });
    expect([wider.status, wider.json.code]).toEqual([400, 'INVALID_REQUEST']);
    expect((await as('DELETE', `/projects/${id}/keys/${key.id}`)).status).toBe(204);
    expect((await withKey(apiKey, 'POST', '/chat', { message: 'x' })).status).toBe(401);
    expect((await as('DELETE', `/projects/${id}/keys/${key.id}`)).json.code).toBe('KEY_NOT_FOUND');
  });

  test('a publishable key cannot be given more than chat, and an expiry lies in the future', async () => {
    const { id } = await createProject();
    const wide = await as('POST', `/projects/${id}/keys`, {
      name: 'k',
      kind: 'publishable',
      scopes: ['documents'],
    });
    expect(wide.json.code).toBe('INVALID_REQUEST');
    const past = await as('POST', `/projects/${id}/keys`, {
      name: 'k',
      kind: 'secret',
      expiresAt: '2020-01-01',
    });
    expect(past.json.code).toBe('INVALID_REQUEST');
  });

  test('when it was last used is known to the minute', async () => {
    const { id, apiKey } = await createProject();
    await withKey(apiKey, 'GET', '/documents');
    await eventually(async () => {
      const { keys } = (await as('GET', `/projects/${id}/keys`)).json;
      return keys[0].lastUsedAt ? true : undefined;
    });
  });

  test('an ordinary key seen in a page is flagged once: warning, audit log, mail to the owner', async () => {
    const { id, apiKey } = await createProject({ name: 'Flagged' });
    const origin = { origin: 'https://shop.example' };
    for (let n = 0; n < 3; n++) await withKey(apiKey, 'POST', '/chat', { message: 'Hello?' }, origin);
    const warnings = await eventually(async () => {
      const { warnings } = (await as('GET', `/projects/${id}`)).json;
      return warnings.length > 0 ? warnings : undefined;
    });
    expect(warnings).toHaveLength(1);
    const { entries } = (await as('GET', `/projects/${id}/audit-log?action=key.seen_in_browser`)).json;
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({ actorType: 'system', objectId: warnings[0].keyId });
    const mail = await people.mailTo(owner.email, 2);
    expect(mail.text).toContain('Flagged');
    await as('PATCH', `/projects/${id}/keys/${warnings[0].keyId}`, { scopes: ['chat'] });
    expect((await as('GET', `/projects/${id}`)).json.warnings).toEqual([]);
  });
});

describe('sites', () => {
  const chat = (key: string, origin?: string) =>
    withKey(key, 'POST', '/chat', { message: 'Hello?' }, origin ? { origin } : {});

  test('an allowlist lets its domains and their sub-domains in, and calls without an origin', async () => {
    const { apiKey } = await createProject({ allowedDomains: ['shop.example'] });
    for (const origin of ['https://shop.example', 'https://www.shop.example', 'http://shop.example:8080']) {
      expect((await chat(apiKey, origin)).status, origin).toBe(200);
    }
    expect((await chat(apiKey)).status).toBe(200);
    for (const origin of [
      'https://evil.example',
      'https://notshop.example',
      'https://shop.example.evil.example',
      'null',
      'http://localhost',
    ]) {
      const answer = await chat(apiKey, origin);
      expect([answer.status, answer.json.code], origin).toEqual([403, 'DOMAIN_NOT_AUTHORIZED']);
      expect(answer.headers.get('access-control-allow-origin'), 'readable to the page').toBe(origin);
    }
  });

  test('localhost is for test keys, and for live ones where the project says so', async () => {
    const { id, apiKey } = await createProject({ allowedDomains: ['shop.example'] });
    const test = (
      await as('POST', `/projects/${id}/keys`, { name: 't', kind: 'publishable', environment: 'test' })
    ).json;
    expect((await chat(test.apiKey, 'http://localhost:5173')).status).toBe(200);
    expect((await chat(apiKey, 'http://127.0.0.1:5173')).status).toBe(403);
    await as('PATCH', `/projects/${id}`, { allowLocalhost: true });
    expect((await chat(apiKey, 'http://127.0.0.1:5173')).status).toBe(200);
  });
});

test('the audit log says who changed what, with a key or signed in', async () => {
  const { id, apiKey } = await createProject();
  const client = createApiClient(url, apiKey);
  const documentId = await client.upload('# Lamps');
  await client.call('PATCH', `/documents/${documentId}`, { enabled: false });
  await client.call('DELETE', `/documents/${documentId}`);
  const hook = await as('POST', `/webhooks?projectId=${id}`, { url: 'https://hooks.example.com/in' });
  await as('DELETE', `/webhooks/${hook.json.webhook.id}?projectId=${id}`);
  const { entries } = (await as('GET', `/projects/${id}/audit-log`)).json;
  const said = entries.map(
    (entry: { action: string; actorType: string }) => `${entry.actorType} ${entry.action}`,
  );
  expect(said).toEqual([
    'user webhook.deleted',
    'user webhook.created',
    'api_key document.deleted',
    'api_key document.changed',
    'user key.created',
    'user project.created',
  ]);
  expect(entries[0].ip).toBe('127.0.0.1');
});

describe('a team', () => {
  const invite = async (role: string, by: Person = owner): Promise<Person> => {
    const person = await people.signUp();
    const answer = await as(
      'POST',
      `/workspaces/${owner.workspaceId}/invitations`,
      { email: person.email, role },
      by,
    );
    expect(answer.status, answer.text).toBe(201);
    const token = /[\w-]{32}/.exec((await people.mailTo(person.email, 2)).text)![0];
    expect((await as('POST', '/invitations/accept', { token }, person)).json.role).toBe(role);
    expect((await as('POST', '/invitations/accept', { token }, person)).json.code).toBe('INVALID_INVITATION');
    return person;
  };

  test('an invitation is for the address that it was sent to', async () => {
    const [invited, other] = [people.newAddress(), await people.signUp()];
    await as('POST', `/workspaces/${owner.workspaceId}/invitations`, { email: invited, role: 'viewer' });
    const token = /[\w-]{32}/.exec((await people.mailTo(invited)).text)![0];
    expect((await as('POST', '/invitations/accept', { token }, other)).json.code).toBe('INVALID_INVITATION');
  });

  test('roles hold: admins do not touch owners, everybody may leave, an owner stays', async () => {
    const [admin, viewer] = [await invite('admin'), await invite('viewer')];
    const member = (person: Person) => `/workspaces/${owner.workspaceId}/members/${person.userId}`;
    const { id } = await createProject();
    expect((await as('GET', `/projects/${id}`, undefined, viewer)).status).toBe(200);
    expect((await as('PATCH', `/projects/${id}`, { name: 'x' }, viewer)).json.code).toBe('INSUFFICIENT_ROLE');
    expect((await as('PATCH', `/projects/${id}`, { name: 'x' }, admin)).status).toBe(200);
    expect((await as('DELETE', `/projects/${id}`, undefined, admin)).json.code).toBe('INSUFFICIENT_ROLE');
    expect((await as('PATCH', member(owner), { role: 'viewer' }, admin)).json.code).toBe('INSUFFICIENT_ROLE');
    expect((await as('PATCH', member(viewer), { role: 'owner' }, admin)).json.code).toBe('INSUFFICIENT_ROLE');
    expect((await as('PATCH', member(viewer), { role: 'editor' }, admin)).status).toBe(204);
    expect((await as('DELETE', member(admin), undefined, viewer)).json.code).toBe('INSUFFICIENT_ROLE');
    expect((await as('DELETE', member(viewer), undefined, viewer)).status).toBe(204);
    expect((await as('GET', `/projects/${id}`, undefined, viewer)).json.code).toBe('PROJECT_NOT_FOUND');
    expect((await as('DELETE', member(owner))).json.code).toBe('LAST_OWNER');
    const { entries } = (
      await as('GET', `/workspaces/${owner.workspaceId}/audit-log?objectId=${viewer.userId}`)
    ).json;
    expect(entries.map((entry: { action: string }) => entry.action)).toEqual([
      'member.removed',
      'member.role_changed',
    ]);
  });
});
