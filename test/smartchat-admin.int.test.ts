import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { secretSources } from '../stores/postgres/secrets.ts';
import { createPeople, type Person } from './support/accounts.ts';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import { openSmartChat } from './support/smartchat-client.ts';

let environment: TestEnvironment;
let url: string;
let people: ReturnType<typeof createPeople>;
let owner: Person;
let tenant: { id: string; api_key: string };

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  [{ url }] = await Promise.all([
    environment.startApi({ OUTBOUND_ALLOWED_RANGES: '127.0.0.1/32' }),
    environment.startWorker(),
  ]);
  people = createPeople(url, inject('servers').mailboxUrl);
  owner = await people.signUp();
  tenant = (await call('POST', '/tenants', { name: 'Lamps' })).json;
});
afterAll(() => environment?.close());

const call = (method: string, path: string, body?: unknown, person: Person = owner) =>
  createApiClient(`${url}/api/admin`, undefined).call(method, path, body, person.bearer);
const of = (path: string, id = tenant.id) => `${path}${path.includes('?') ? '&' : '?'}tenant_id=${id}`;

const paths = [
  'llm/config',
  'knowledge',
  'conversations',
  'widget/config',
  'auth/config',
  'db-connections',
  'tools',
];

describe('who may call', () => {
  test('nobody without a login', async () => {
    const anonymous = createApiClient(url, undefined);
    const withKey = createApiClient(url, tenant.api_key);
    for (const path of ['tenants', ...paths]) {
      for (const client of [anonymous, withKey]) {
        const answer = await client.call('GET', `/api/admin/${path}?tenant_id=${tenant.id}`);
        expect([path, answer.status, answer.json]).toEqual([path, 401, { detail: expect.any(String) }]);
      }
    }
  });

  test('members only, each as their role allows; the tenant has to be named', async () => {
    const stranger = await people.signUp();
    for (const path of paths) {
      expect([path, (await call('GET', of(`/${path}`), undefined, stranger)).status]).toEqual([path, 404]);
      const unnamed = await call('GET', `/${path}`);
      expect([unnamed.status, unnamed.json.detail]).toEqual([400, expect.stringContaining('tenant_id')]);
      expect((await call('GET', of(`/${path}`, 'not-an-id'))).status).toBe(404);
    }
    await environment.sql`
      insert into memberships (workspace_id, user_id, role) values (${owner.workspaceId}, ${stranger.userId}, 'viewer')`;
    expect((await call('GET', of('/conversations'), undefined, stranger)).status).toBe(200);
    expect((await call('GET', of('/tools'), undefined, stranger)).status).toBe(403);
    expect((await call('PUT', of('/widget/config'), {}, stranger)).status).toBe(403);
    expect((await call('DELETE', `/tenants/${tenant.id}`, undefined, stranger)).status).toBe(403);
  });
});

test('tenants are projects: created, listed, renamed, given another key, deleted', async () => {
  const created = await call('POST', '/tenants', { name: 'Chairs' });
  expect(created.json).toEqual({
    id: expect.any(String),
    name: 'Chairs',
    api_key: expect.stringMatching(/^cb_live_/),
    created_at: expect.any(String),
  });
  const { id, api_key } = created.json;
  const { tenants } = (await call('GET', '/tenants')).json;
  const listed = tenants.find((one: { id: string }) => one.id === id);
  expect(listed).toEqual({
    id,
    name: 'Chairs',
    api_key_preview: expect.any(String),
    created_at: created.json.created_at,
  });
  expect(api_key.startsWith(listed.api_key_preview.replace('…', ''))).toBe(true);
  expect(JSON.stringify(tenants)).not.toContain(api_key);

  expect((await call('PUT', `/tenants/${id}`, { name: 'Stools' })).json.name).toBe('Stools');
  expect((await call('PUT', `/tenants/${id}`, { name: ' ' })).json).toEqual({
    detail: expect.stringContaining('name'),
  });
  const rotated = (await call('POST', `/tenants/${id}/regenerate-key`)).json.api_key;
  const config = (key: string) => createApiClient(url, undefined).call('GET', `/api/widget/config/${key}`);
  expect([(await config(api_key)).status, (await config(rotated)).status]).toEqual([404, 200]);
  expect((await call('DELETE', `/tenants/${id}`)).json).toEqual({ success: true });
  expect((await config(rotated)).status).toBe(404);
  expect((await call('PUT', `/tenants/${id}`, { name: 'Gone' })).status).toBe(404);
});

test('the widget’s settings are the project’s', async () => {
  const given = {
    primary_color: '#abcdef',
    greeting: 'Hello!',
    position: 'bottom-left',
    logo_url: 'https://lamps.example/logo.png',
  };
  expect((await call('PUT', of('/widget/config'), given)).json).toEqual(given);
  expect((await call('GET', of('/widget/config'))).json).toEqual(given);
  const seen = await createApiClient(url, undefined).call('GET', `/api/widget/config/${tenant.api_key}`);
  expect(seen.json).toEqual(given);
  expect((await call('PUT', of('/widget/config'), { primary_color: 'teal' })).status).toBe(400);
});

test('knowledge is uploaded, listed when it is ready, answers, and is removed', async () => {
  const upload = async (content: string, name: string) => {
    const form = new FormData();
    form.append('file', new Blob([content], { type: 'text/markdown' }), name);
    const response = await fetch(`${url}/api/admin${of('/knowledge/upload')}`, {
      method: 'POST',
      headers: owner.bearer,
      body: form,
    });
    return { status: response.status, json: (await response.json()) as Record<string, string> };
  };
  const { json } = await upload('# Hours\n\nWe are open from ten to six, Monday to Friday.', 'hours.md');
  expect(json).toEqual({ id: expect.any(String), filename: 'hours.md', status: 'processing' });
  const source = await eventually(async () => {
    const { sources } = (await call('GET', of('/knowledge'))).json;
    return sources.find(
      (one: { id: string; status: string }) => one.id === json.id && one.status === 'ready',
    );
  });
  expect(source).toEqual({
    id: json.id,
    filename: 'hours.md',
    source_type: 'md',
    status: 'ready',
    chunk_count: 1,
    created_at: expect.any(String),
  });

  const chat = await openSmartChat(url, 'admin-test');
  const { text } = await chat.ask({ message: 'When are you open?', api_key: tenant.api_key });
  expect(text).toContain('ten to six');
  chat.close();

  expect((await upload('', 'empty.md')).status).toBe(400);
  expect((await call('POST', of('/knowledge/upload'), { file: 'x' })).json).toEqual({
    detail: expect.stringContaining('multipart'),
  });
  expect((await call('DELETE', of(`/knowledge/${json.id}`))).json).toEqual({ success: true });
  expect((await call('DELETE', of(`/knowledge/${json.id}`))).status).toBe(404);
  expect((await call('DELETE', of('/knowledge/not-an-id'))).status).toBe(404);
});

test('conversations and their messages are read', async () => {
  const chat = await openSmartChat(url, 'read-by-admin');
  await chat.ask({ message: 'Who painted the Mona Lisa?', api_key: tenant.api_key });
  chat.close();
  const { conversations } = (await call('GET', of('/conversations?limit=5'))).json;
  const found = conversations.find((one: { session_id: string }) => one.session_id === 'read-by-admin');
  expect(found).toMatchObject({ message_count: 2, user_id: null, created_at: expect.any(String) });
  const { messages } = (await call('GET', of(`/conversations/${found.id}/messages`))).json;
  expect(messages).toEqual([
    expect.objectContaining({ role: 'user', content: 'Who painted the Mona Lisa?' }),
    expect.objectContaining({ role: 'assistant', content: expect.any(String) }),
  ]);
  const other = (await call('POST', '/tenants', { name: 'Other' })).json;
  expect((await call('GET', of(`/conversations/${found.id}/messages`, other.id))).status).toBe(404);
});

test('how visitors sign in is set; secrets go in, and only a new one comes out', async () => {
  const given = {
    auth_mode: 'external_api',
    login_url: 'https://lamps.example/login',
    response_user_id_path: 'id',
    extra_headers: { 'x-key': 'very secret', 'x-other': 'also' },
  };
  const set = await call('PUT', of('/auth/config'), given);
  expect(set.json).toMatchObject({ auth_mode: 'external_api', email_field: 'email', login_method: 'POST' });
  expect(set.json.extra_headers).toEqual({ 'x-key': '********', 'x-other': '********' });
  // What was hidden is sent back, and stays; what is left out goes.
  await call('PUT', of('/auth/config'), { extra_headers: { 'x-key': '********' }, email_field: 'login' });
  const stored = await environment.stores.visitorLogins.get(tenant.id);
  expect(stored.extraHeaders).toEqual({ 'x-key': 'very secret' });
  expect(stored.settings).toMatchObject({ email_field: 'login', login_url: given.login_url });

  const { secret } = (await call('POST', of('/auth/generate-secret'))).json;
  expect(secret).toBe(await environment.stores.visitorLogins.secret(tenant.id));
  const shown = await call('GET', of('/auth/config'));
  expect(shown.json.secret_set).toBe(true);
  expect(shown.text).not.toContain(secret);
  const [row] = await environment.sql`select row_to_json(v)::text as row from visitor_logins v`;
  expect(row!.row).not.toContain('very secret');
  expect(row!.row).not.toContain(secret);
  expect((await call('PUT', of('/auth/config'), { login_url: 'ftp://x' })).status).toBe(400);
  expect((await call('PUT', of('/auth/config'), { extra_headers: { 'x-a': 'b\r\nc: d' } })).status).toBe(400);
});

test('the model is chosen; its key goes in and never comes out, nor to another address', async () => {
  const { id } = (await call('POST', '/tenants', { name: 'Models' })).json;
  const config = of('/llm/config', id);
  expect((await call('GET', config)).json).toMatchObject({
    configured: true,
    provider: 'local',
    api_key_set: false,
  });
  const set = await call('PUT', config, {
    provider: 'openai',
    api_key: 'sk-secret-1234',
    model: 'gpt-4o-mini',
    temperature: 0.2,
    max_tokens: 300,
    system_prompt: 'You sell lamps.',
  });
  const shown = {
    configured: true,
    provider: 'openai',
    api_key_set: true,
    api_key_preview: '…1234',
    base_url: null,
    model: 'gpt-4o-mini',
    temperature: 0.2,
    max_tokens: 300,
    system_prompt: 'You sell lamps.',
  };
  expect(set.json).toEqual(shown);
  expect((await call('PUT', config, { api_key: '…1234', temperature: 0.3 })).json.api_key_set).toBe(true);
  const moved = await call('PUT', config, { base_url: 'https://models.example/v1' });
  expect(moved.json).toMatchObject({ base_url: 'https://models.example/v1', api_key_set: false });
  expect((await call('PUT', config, { base_url: 'nonsense' })).json.detail).toContain('base_url');
  expect((await call('PUT', config, { provider: 'nobody' })).status).toBe(400);
  expect((await call('PUT', config, { base_url: null })).json).toMatchObject({
    configured: false,
    base_url: null,
  });
});

test('an Ollama server is asked for its models', async () => {
  const ollama = createServer((request, response) => {
    const body = { object: 'list', data: [{ id: 'llama3.2:latest', object: 'model' }] };
    response
      .writeHead(request.url === '/v1/models' ? 200 : 404, { 'content-type': 'application/json' })
      .end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => ollama.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(ollama.address() as AddressInfo).port}`;
  const ask = (base_url: string) =>
    call('GET', of(`/llm/ollama-models?base_url=${encodeURIComponent(base_url)}`));
  expect((await ask(address)).json).toEqual({ models: ['llama3.2:latest'] });
  ollama.close();
  const refused = await ask('http://10.0.0.1:11434');
  expect([refused.status, typeof refused.json.detail]).toEqual([502, 'string']);
  expect((await ask('nonsense')).status).toBe(400);
});

test('database connections and tools are kept and listed, their secrets encrypted; nothing is run', async () => {
  const given = {
    name: 'orders',
    description: 'Orders since 2020',
    db_type: 'postgresql',
    host: 'db.lamps.example',
    port: 5432,
    database: 'shop',
    username: 'reader',
    password: 'hush-hush',
    schema_info: 'orders(id, total)',
  };
  const { json: connection } = await call('POST', of('/db-connections'), given);
  const { password: _, ...visible } = given;
  expect(connection).toMatchObject({
    ...visible,
    enabled: true,
    password_set: true,
    connection_string_set: false,
  });
  expect((await call('POST', of('/db-connections'), given)).status).toBe(409);
  expect((await call('POST', of('/db-connections'), { ...given, name: 'a b' })).json.detail).toContain(
    'name',
  );
  const one = of(`/db-connections/${connection.id}`);
  const changed = await call('PUT', one, { enabled: false, connection_string: 'postgresql://u:p@h/d' });
  expect(changed.json).toMatchObject({
    ...visible,
    enabled: false,
    password_set: true,
    connection_string_set: true,
  });
  const listed = await call('GET', of('/db-connections'));
  expect(listed.json.connections).toEqual([changed.json]);
  expect(listed.text).not.toContain('hush-hush');
  const tested = await call('POST', of(`/db-connections/${connection.id}/test`));
  expect(tested.json).toEqual({ success: false, message: expect.stringContaining('not built') });
  const schema = await call('POST', of(`/db-connections/${connection.id}/fetch-schema`));
  expect(schema.json).toMatchObject({ status: 'error', schema: 'orders(id, total)', structured: null });

  const tool = {
    name: 'order_status',
    description: 'The state of an order',
    tool_type: 'db_query',
    db_connection_id: connection.id,
    config_json: { query_template: 'select state from orders where id = :id', parameters: ['id'] },
  };
  const { json: made } = await call('POST', of('/tools'), tool);
  expect(made).toMatchObject({ ...tool, enabled: true });
  const rest = {
    name: 'weather',
    tool_type: 'rest_api',
    config_json: '{"headers":{"authorization":"top secret"}}',
  };
  expect((await call('POST', of('/tools'), rest)).json.config_json).toEqual({
    headers: { authorization: 'top secret' },
  });
  expect((await call('POST', of('/tools'), { ...rest, name: 'x', config_json: '[' })).status).toBe(400);
  expect((await call('POST', of('/tools'), tool)).status).toBe(409);
  expect((await call('PUT', of(`/tools/${made.id}`), { enabled: false })).json).toMatchObject({
    ...tool,
    enabled: false,
  });
  const unknown = { ...tool, name: 'y', db_connection_id: '00000000-0000-4000-8000-000000000000' };
  expect((await call('POST', of('/tools'), unknown)).status).toBe(404);
  const rows = await environment.sql`
    select row_to_json(t)::text as row from tools t union all select row_to_json(d)::text from db_connections d`;
  for (const { row } of rows) expect(row).not.toMatch(/hush-hush|top secret|u:p@h/);

  // A rotation of the encryption key finds them all.
  const names = new Set<string>();
  for (const { name, list } of secretSources(environment.sql)) {
    for (const { ciphertext, context, replace } of await list()) {
      names.add(name);
      await replace(
        environment.encryption.encrypt(environment.encryption.decrypt(ciphertext, context), context),
      );
    }
  }
  expect([...names]).toEqual(
    expect.arrayContaining([
      'visitor logins (secret)',
      'visitor logins (extra_headers)',
      'database connections',
      'tools',
    ]),
  );
  expect((await environment.stores.visitorLogins.get(tenant.id)).extraHeaders).toEqual({
    'x-key': 'very secret',
  });
  expect((await environment.stores.dbConnections.list(tenant.id))[0]!.secrets.password).toBe('hush-hush');

  const other = (await call('POST', '/tenants', { name: 'Other' })).json.id;
  expect((await call('GET', of('/tools', other))).json).toEqual({ tools: [] });
  expect((await call('DELETE', of(`/tools/${made.id}`, other))).status).toBe(404);
  expect((await call('DELETE', of(`/tools/${made.id}`))).json).toEqual({ success: true });
  expect((await call('DELETE', one)).json).toEqual({ success: true });
  expect((await call('DELETE', one)).status).toBe(404);
});
