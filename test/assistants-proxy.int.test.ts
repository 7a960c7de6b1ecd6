import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { pageHost } from '../domain/hosts.ts';
import { createPeople, type Person } from './support/accounts.ts';
import { createApiClient, eventually } from './support/api-client.ts';
import { createProxyClient } from './support/assistants-proxy-client.ts';
import { frontdesk } from './support/cli.ts';
import {
  createTestEnvironment,
  freePort,
  type TestEnvironment,
  type TestProject,
} from './support/environment.ts';

let environment: TestEnvironment;
let url: string;
let project: TestProject;
let owner: Person;
let worker: Awaited<ReturnType<TestEnvironment['startWorker']>>;
const operator = { type: 'operator', id: null, ip: null } as const;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  [{ url }, worker] = await Promise.all([environment.startApi(), environment.startWorker()]);
  project = await environment.createProject();
  const api = createApiClient(url, project.key);
  await api.ready(await api.upload('# Opening hours\n\nWe are open from ten to six, Monday to Friday.'));
  for (const host of ['localhost', 'shop.example']) {
    await environment.stores.hosts.set(project.id, host, {}, operator);
  }
  owner = await createPeople(url, inject('servers').mailboxUrl).signUp();
});
afterAll(() => environment?.close());

const page = (origin = 'http://localhost:8080', prefix = '/open-ai') =>
  createProxyClient(url + prefix, { origin });
const question = 'When are you open?';

describe('a thread', () => {
  test.each(['/open-ai', ''])('is created and answers in events of their own, at "%s"', async (prefix) => {
    const client = page(undefined, prefix);
    const thread = await client.createThread();
    expect(thread.json).toEqual({
      id: expect.stringMatching(/^thread_\w+$/),
      thread_id: thread.json.id,
      object: 'thread',
      created_at: expect.any(Number),
    });
    expect(thread.headers.get('cache-control')).toBe('no-store');

    for (const field of ['threadId', 'thread_id']) {
      const reply = await client.processMessage({ [field]: thread.json.id, message: question });
      expect(reply.contentType).toMatch(/^text\/event-stream/);
      for (const chunk of reply.chunks) expect(chunk).toMatch(/^data: [^\n]+\n\n$/);
      const [created, ...others] = reply.events;
      expect(created).toEqual({ event: 'thread.run.created', status: expect.any(String) });
      const deltas = others.slice(0, -2);
      const whole = deltas.map(({ delta }) => delta.content[0].text.value).join('');
      expect(whole).toContain('ten to six');
      for (const { event, delta } of deltas) {
        expect(event).toBe('thread.message.delta');
        expect(delta.content[0]).toEqual({
          index: 0,
          type: 'text',
          text: { value: expect.any(String), annotations: [] },
        });
      }
      const [completed, end] = others.slice(-2);
      expect(completed).toEqual({
        event: 'thread.message.completed',
        status: 'completed',
        content: [{ type: 'text', text: { value: whole, annotations: [] } }],
      });
      expect(end.event).toBe('end');
      expect(end.messages[0]).toMatchObject({ role: 'assistant', content: completed.content });
      expect(end.messages[1]).toMatchObject({ role: 'user', content: [{ text: { value: question } }] });
    }
    const [row] = await environment.sql`
      select count(*)::int as turns from turns t join conversations c on c.id = t.conversation_id
      where c.session_id = ${thread.json.id} and t.project_id = ${project.id}`;
    expect(row).toEqual({ turns: 2 });
  });

  test('events are at least 10 ms apart', async () => {
    const client = page();
    const { json } = await client.createThread();
    const { times } = await client.processMessage({ threadId: json.id, message: question });
    const gaps = times.slice(1).map((time, index) => time - times[index]!);
    expect(times.length).toBeGreaterThan(3);
    // As seen from here: one that came late makes the next gap shorter.
    expect(gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length).toBeGreaterThan(9);
  });

  test('goes on after a reload, and after the page went away in the middle of an answer', async () => {
    const { json } = await page().createThread();
    const controller = new AbortController();
    const response = await fetch(`${url}/open-ai/process-message`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: 'http://localhost:8080' },
      body: JSON.stringify({ threadId: json.id, message: question }),
      signal: controller.signal,
    });
    await response.body!.getReader().read();
    controller.abort();
    const { events } = await page().processMessage({ threadId: json.id, message: question });
    expect(events.at(-1).messages).toHaveLength(4);
  });

  test('that OpenAI made for this page before begins here', async () => {
    const threadId = 'thread_abcDEF1234567890abcDEF12';
    const { events } = await page().processMessage({ threadId, message: question });
    expect(events.at(-1).event).toBe('end');
  });
});

describe('the page’s host', () => {
  test.each([
    ['https://shop.example', 200],
    ['https://www.shop.example', 200],
    ['http://SHOP.example:8443', 200],
    ['http://localhost:5173', 200],
    ['https://other.shop.example', 403],
    ['https://evil.example', 403],
    ['null', 403],
  ])('%s → %i', async (origin, status) => {
    const answer = await page(origin).createThread();
    expect([answer.status, typeof answer.json.error]).toEqual([
      status,
      status === 200 ? 'undefined' : 'string',
    ]);
  });

  test('is read from the Referer where there is no Origin; without both nobody is let in', async () => {
    const withReferer = createProxyClient(url, { referer: 'https://www.shop.example/contact?x=1' });
    expect((await withReferer.createThread()).status).toBe(200);
    expect((await createProxyClient(url, {}).createThread()).status).toBe(403);
    expect(pageHost('https://evil.example', 'https://shop.example/')).toBe('evil.example');
    const refused = await page('https://evil.example').processMessage({ threadId: 'x', message: 'x' });
    expect([refused.status, refused.events[0].event]).toEqual([403, 'system.error']);
  });

  test('of a deactivated project is unknown', async () => {
    const { id } = await environment.createProject();
    await environment.stores.hosts.set(id, 'closed.example', {}, operator);
    expect((await page('https://closed.example').createThread()).status).toBe(200);
    await environment.sql`update projects set active = false where id = ${id}`;
    expect((await page('https://closed.example').createThread()).status).toBe(403);
  });
});

describe('failures are events', () => {
  const expectFailure = async (body: unknown, status: number, content: RegExp) => {
    const reply = await page().processMessage(body);
    expect(reply.events).toEqual([
      { event: 'system.error', status: 'error', content: expect.stringMatching(content) },
    ]);
    expect(reply.status).toBe(status);
  };

  test('no thread, a thread that is none, and a session of another client', async () => {
    await expectFailure({ message: 'x' }, 404, /create-thread/);
    for (const threadId of ['nope', 'sc_123', 'thread_../../x']) {
      await expectFailure({ threadId, message: 'x' }, 404, /create-thread/);
    }
  });

  test('no message, and no JSON', async () => {
    const { json } = await page().createThread();
    await expectFailure({ threadId: json.id, message: ' ' }, 400, /message/);
    await expectFailure({ threadId: json.id }, 400, /message/);
    await expectFailure('{"threadId":', 400, /JSON/);
  });

  test('a turn that fails', async () => {
    const { json } = await page().createThread();
    worker.kill('SIGSTOP');
    const reading = page().processMessage({ threadId: json.id, message: 'Does this fail?' });
    const turnId = await eventually(async () => {
      const [row] = await environment.sql<{ id: string }[]>`
        select id from turns where question = 'Does this fail?'`;
      return row?.id;
    });
    await environment.stores.turns.recordFailure(project.id, turnId, { code: 'X', message: 'It broke.' });
    const { events } = await reading.finally(() => worker.kill('SIGCONT'));
    expect(events.slice(1)).toEqual([{ event: 'system.error', status: 'error', content: 'It broke.' }]);
  });
});

describe('hosts', () => {
  const as = (method: string, path: string, body?: unknown, person = owner) =>
    createApiClient(url, undefined).call(method, path, body, person.bearer);

  test('are set, listed and removed by admins; one that is taken is refused, and an operator moves it', async () => {
    const { json } = await as('POST', '/projects', { name: 'Shop' });
    const hosts = `/projects/${json.project.id}/hosts`;
    const set = await as('PUT', `${hosts}/www.New.example`, { leadRecipients: ['Sales@new.example'] });
    expect(set.json.host).toMatchObject({ host: 'new.example', leadRecipients: ['sales@new.example'] });
    expect((await page('https://new.example').createThread()).status).toBe(200);
    expect((await as('GET', hosts)).json.hosts).toHaveLength(1);

    const taken = await as('PUT', `${hosts}/shop.example`, {});
    expect([taken.status, taken.json.code]).toEqual([409, 'HOST_TAKEN']);
    expect((await as('PUT', `${hosts}/https%3A%2F%2Fx`, {})).json.code).toBe('INVALID_REQUEST');

    expect((await as('DELETE', `${hosts}/new.example`)).status).toBe(204);
    expect((await as('DELETE', `${hosts}/new.example`)).json.code).toBe('HOST_NOT_FOUND');
    expect((await page('https://new.example').createThread()).status).toBe(403);

    const moved = await command(['set-host', 'www.moved.example', project.id]);
    expect([moved.code, moved.stdout]).toEqual([0, 'Test answers the pages of moved.example.\n']);
    await command(['set-host', 'moved.example', json.project.id]);
    expect(await environment.stores.hosts.find('moved.example')).toBe(json.project.id);
    expect((await command(['set-host', 'a b', project.id])).code).toBe(1);
  });
});

const command = (args: string[], env: Record<string, string> = {}) =>
  frontdesk(args, { env: { ...environment.env, ...env }, cwd: tmpdir() });

describe('frontdesk import-assistants', () => {
  /** Answers as OpenAI documents `GET /assistants/{id}`. */
  let openAi: Server;
  let baseUrl: string;
  const calls: Record<string, unknown>[] = [];

  beforeAll(async () => {
    openAi = createServer((request, response) => {
      const key = request.headers.authorization?.slice('Bearer '.length);
      calls.push({ path: request.url, key, beta: request.headers['openai-beta'] });
      const answer = (status: number, body: unknown) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      const error = (message: string) => ({ error: { message, type: 'invalid_request_error' } });
      if (key === 'sk-revoked-key') return answer(401, error('Incorrect API key provided: sk-revoked-key'));
      if (request.url === '/v1/assistants/asst_gone') return answer(404, error('No assistant found'));
      answer(200, {
        id: request.url!.split('/').at(-1),
        object: 'assistant',
        created_at: 1_700_000_000,
        name: 'Lamp expert',
        model: 'gpt-4o-mini',
        instructions: 'You sell lamps.',
        tools: [],
        temperature: 0.3,
      });
    });
    await new Promise<void>((resolve) => openAi.listen(0, '127.0.0.1', resolve));
    baseUrl = `http://127.0.0.1:${(openAi.address() as AddressInfo).port}/v1`;
  });
  afterAll(() => openAi.close());

  const lists = (values: Record<string, string[]>) => ({
    OPENAI_BASE_URL: baseUrl,
    ...Object.fromEntries(Object.entries(values).map(([name, list]) => [name, JSON.stringify(list)])),
  });

  test('makes projects of what can be read, and reports what cannot', async () => {
    const env = lists({
      DOMAINS: ['https://www.lamps.example', 'gone.example', 'revoked.example'],
      OPENAI_API_KEYS: ['sk-good-key', 'sk-good-key', 'sk-revoked-key'],
      ASSISTANT_IDS: ['asst_1', 'asst_gone', 'asst_2'],
      EMAIL_TO: ['sales@lamps.example'],
    });
    const first = await command(['import-assistants', owner.workspaceId], env);
    expect(first.code).toBe(1);
    expect(first.stdout).toMatch(/^lamps\.example: project \S+ \(Lamp expert\), gpt-4o-mini\n$/);
    expect(first.stderr).toContain(
      'gone.example: OpenAI answered 404 for asst_gone: there is no such assistant.',
    );
    expect(first.stderr).toContain('revoked.example: OpenAI answered 401 for asst_2: its key is not valid.');
    expect(first.stderr).not.toContain('sk-');
    expect(calls[0]).toEqual({ path: '/v1/assistants/asst_1', key: 'sk-good-key', beta: 'assistants=v2' });

    const projectId = (await environment.stores.hosts.find('lamps.example'))!;
    const { workspaceId, settings } = (await environment.stores.projects.record(projectId))!;
    expect(workspaceId).toBe(owner.workspaceId);
    expect(settings).toMatchObject({
      provider: 'openai',
      model: 'gpt-4o-mini',
      systemPrompt: 'You sell lamps.',
      temperature: 0.3,
      allowedDomains: ['lamps.example'],
    });
    const keys = await environment.stores.providerKeys.list(projectId);
    expect(keys).toMatchObject([{ provider: 'openai', lastFour: '-key', baseUrl: null }]);
    const [host] = await environment.stores.hosts.list(projectId);
    expect(host!.leadRecipients).toEqual(['sales@lamps.example']);

    // Again: the same project.
    await command(['import-assistants', owner.workspaceId], env);
    expect(await environment.stores.hosts.find('lamps.example')).toBe(projectId);
    const listed = await environment.stores.projects.listOf(owner.userId);
    expect(listed.filter(({ name }) => name === 'Lamp expert')).toHaveLength(1);
  });

  test('refuses lists that do not fit, a workspace that is none, and a host that others have', async () => {
    const site = { DOMAINS: ['shop.example'], OPENAI_API_KEYS: ['sk-good-key'], ASSISTANT_IDS: ['asst_1'] };
    const refusal = async (values: Record<string, string[]>, workspaceId = owner.workspaceId) =>
      (await command(['import-assistants', workspaceId], lists(values))).stderr;
    expect(await refusal({ ...site, ASSISTANT_IDS: [] })).toContain(
      'ASSISTANT_IDS has 0 entries and DOMAINS 1',
    );
    expect(await refusal({})).toContain('DOMAINS is not set');
    expect(await refusal(site, project.id)).toContain('There is no workspace');
    expect(await refusal(site)).toContain('shop.example: another workspace has this host already');
    expect((await environment.stores.projects.record(project.id))!.settings.provider).toBe('local');
    const unreachable = await command(['import-assistants', owner.workspaceId], {
      ...lists(site),
      OPENAI_BASE_URL: `http://127.0.0.1:${await freePort()}/v1`,
    });
    expect(unreachable.stderr).toMatch(
      /^shop\.example: 127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)\.$/m,
    );
  });
});
