import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { withoutScripts } from '../api/compat/askmysite.ts';
import type { ProjectSettings } from '../domain/projects.ts';
import { newId } from '../stores/postgres/ids.ts';
import { newApiKey } from '../stores/postgres/keys.ts';
import { createApiClient } from './support/api-client.ts';
import { type AskMySiteReply, createAskMySiteClient } from './support/askmysite-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';

let environment: TestEnvironment;
let urls: string[];

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  // Two processes: sessions and limits hold over both.
  const [first, second] = await Promise.all([
    environment.startApi(),
    environment.startApi(),
    environment.startWorker(),
  ]);
  urls = [first.url, second.url];
  // The first document makes the index, which every answer needs.
  const api = createApiClient(first.url, (await createSite()).live);
  await api.ready(await api.upload('# Lamps\n\nWe sell lamps.'));
});
afterAll(() => environment?.close());

interface Site {
  id: string;
  live: string;
  test: string;
}

async function createSite(settings: Partial<ProjectSettings> = {}): Promise<Site> {
  const site = { id: newId(), live: newApiKey('live'), test: newApiKey('test') };
  await environment.stores.projects.create({ id: site.id, name: 'The Lamp Shop', settings });
  for (const kind of ['live', 'test'] as const) {
    const key = { key: site[kind], name: kind, kind: 'ordinary', environment: kind } as const;
    await environment.stores.keys.create(site.id, key);
  }
  return site;
}

const clientOf = (key: string | undefined, origin?: string, url = urls[0]!) =>
  createAskMySiteClient(url, key, origin);

function expectError(reply: AskMySiteReply, status: number, error: string): void {
  expect([reply.status, reply.json]).toEqual([status, { success: false, error }]);
}

describe('config', () => {
  test('has every field, in the shapes of both generations', async () => {
    const { live } = await createSite({
      chatbotName: 'Lumen',
      welcomeMessage: 'Hi!',
      businessProfile: 'ecommerce',
      primaryLanguage: 'de',
      primaryColor: '#123456',
      position: 'top-left',
      siteUrl: 'https://lamps.example',
      avatarUrl: 'https://lamps.example/a.png',
      assistantProfile: 'Friendly.',
    });
    const { json } = await clientOf(live).config();
    expect(json).toEqual({
      success: true,
      config: {
        chatbotName: 'Lumen',
        welcomeMessage: 'Hi!',
        businessProfile: 'ecommerce',
        assistantProfile: 'Friendly.',
        primaryLanguage: 'de',
        primaryColor: '#123456',
        position: 'top-left',
        siteName: 'The Lamp Shop',
        siteUrl: 'https://lamps.example',
        avatarUrl: 'https://lamps.example/a.png',
      },
      data: json.config,
    });
  });

  test('leaves out what was not set and may be left out', async () => {
    const { config } = (await clientOf((await createSite()).live).config()).json;
    expect(config).not.toHaveProperty('avatarUrl');
    expect(config).not.toHaveProperty('assistantProfile');
    expect(config.businessProfile).toBe('');
  });
});

describe('chat', () => {
  test('begins a session, goes on in it, and carries the forms of both generations', async () => {
    const { live } = await createSite();
    const client = clientOf(live);
    const first = await client.chat('  Hello there ');
    expect(first.json).toEqual({
      success: true,
      message: {
        id: expect.any(String),
        role: 'assistant',
        content: expect.any(String),
        createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      },
      sessionToken: expect.stringMatching(/^[\w-]{43}$/),
      data: { message: first.json.message.content, conversationId: expect.any(String) },
    });
    // A reload: another page, the kept token, and another process.
    const afterReload = clientOf(live, undefined, urls[1]!);
    afterReload.keepToken(client.token());
    const second = await afterReload.chat('And again');
    expect(second.json).not.toHaveProperty('sessionToken');
    expect(second.json.data.conversationId).toBe(first.json.data.conversationId);
    const [row] = await environment.sql`
      select count(*)::int as turns, min(question) as question from turns
      where conversation_id = ${first.json.data.conversationId}`;
    expect(row).toEqual({ turns: 2, question: 'And again' });
  });

  test('answers from the documents', async () => {
    const { live } = await createSite();
    const api = createApiClient(urls[0]!, live);
    await api.ready(await api.upload('# Lamps\n\nThe Brandel lamp has a warranty of 37 months.'));
    const reply = await clientOf(live).chat('How long is the warranty of the Brandel lamp?');
    expect(reply.json.message.content).toContain('37 months');
  });

  test('an unknown, an expired and another site’s token begin a session', async () => {
    const [site, other] = [await createSite(), await createSite()];
    const client = clientOf(site.live);
    const { json: first } = await client.chat('One');
    const strangers = clientOf(other.live);
    strangers.keepToken(first.sessionToken);
    const { json: theirs } = await strangers.chat('Two');
    expect(theirs.sessionToken).toEqual(expect.any(String));
    expect(theirs.data.conversationId).not.toBe(first.data.conversationId);

    client.keepToken('unknown');
    expect((await client.chat('Three')).json.sessionToken).toEqual(expect.any(String));
    await environment.sql`update visitor_sessions set expires_at = now() where project_id = ${site.id}`;
    const { json: later } = await client.chat('Four');
    expect(later.sessionToken).toEqual(expect.any(String));
    const rows = await environment.sql`select encode(token_hash, 'escape') as hash from visitor_sessions`;
    expect(JSON.stringify(rows)).not.toContain(later.sessionToken);
  });

  test('a conversation id goes on in that conversation; an unknown one begins another', async () => {
    const { live } = await createSite();
    const elder = async (message: string, conversationId?: unknown) =>
      (await clientOf(live).chat({ message, conversationId })).json.data.conversationId;
    const id = await elder('One');
    expect(await elder('Two', id)).toBe(id);
    const unknown = '00000000-0000-4000-8000-000000000000';
    for (const given of [unknown, 'not-an-id', 7]) {
      const begun = await elder('Three', given);
      expect(begun).not.toBe(given);
      expect(begun).not.toBe(id);
    }
  });

  test('a message that is a script and nothing else is empty', async () => {
    const { live } = await createSite();
    expectError(await clientOf(live).chat('<script>alert(1)</script>'), 400, 'Message is required');
    await clientOf(live).chat('Where <SCRIPT src="x">bad()</Script >are you?');
    const [turn] = await environment.sql`select question from turns where question like 'Where%'`;
    expect(turn).toEqual({ question: 'Where are you?' });
    expect(withoutScripts('a<script>b')).toBe('a<script>b');
    expect(withoutScripts('İ<script>b</script>c<script></script>')).toBe('İc');
    const began = Date.now();
    withoutScripts('<script></script'.repeat(100_000));
    expect(Date.now() - began).toBeLessThan(1_000);
  });
});

describe('is refused in its words', () => {
  test('no key, an unknown key, a deactivated project', async () => {
    const { id, live } = await createSite();
    for (const call of [clientOf(undefined).config(), clientOf(undefined).chat('x')]) {
      expectError(await call, 401, 'API key required');
    }
    expectError(await clientOf('cb_live_nope').config(), 401, 'Invalid API key');
    expectError(await clientOf('cb_live_nope').chat('x'), 401, 'Invalid API key');
    await environment.sql`update projects set active = false where id = ${id}`;
    expectError(await clientOf(live).config(), 401, 'Invalid API key');
  });

  test.each<[string, unknown]>([
    ['nothing', {}],
    ['blanks', { message: ' \n ' }],
    ['a number', { message: 7 }],
    ['a list', []],
  ])('%s for a message', async (_name, body) => {
    expectError(await clientOf((await createSite()).live).chat(body), 400, 'Message is required');
  });

  test('what is no JSON', async () => {
    const client = clientOf((await createSite()).live);
    expectError(await client.raw('{"message":'), 400, 'Message is required');
    expectError(await client.raw('message=x', 'text/xml'), 400, 'Message is required');
  });

  test('a message of more than 2,000 characters', async () => {
    const client = clientOf((await createSite()).live);
    expectError(await client.chat('x'.repeat(2_001)), 400, 'Message too long (max 2000 characters)');
    expect((await client.chat(` ${'x'.repeat(2_000)} `)).status).toBe(200);
    expectError(await client.chat('x'.repeat(2_000_000)), 400, 'Message too long (max 2000 characters)');
  });

  test('a failure on our side', async () => {
    const { live } = await createSite();
    const { url } = await environment.startApi({ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' });
    expectError(await clientOf(live, undefined, url).config(), 500, 'Internal server error');
    expectError(await clientOf(live, undefined, url).chat('x'), 500, 'Failed to process message');
  });
});

describe('sites', () => {
  const denied = 'Domain not authorized';

  test('without an allowlist no page is let in, but for localhost with a test key; a server is', async () => {
    const { live, test: testKey } = await createSite();
    expectError(await clientOf(live, 'https://shop.example').config(), 403, denied);
    expectError(await clientOf(live, 'http://localhost:5173').chat('x'), 403, denied);
    expectError(await clientOf(live, 'null').config(), 403, denied);
    expect((await clientOf(testKey, 'http://localhost:5173').config()).status).toBe(200);
    expect((await clientOf(testKey, 'http://127.0.0.1:8080').config()).status).toBe(200);
    expect((await clientOf(live).config()).status).toBe(200);
  });

  test('with one its domains and their sub-domains are let in, and localhost where the project says so', async () => {
    const { live } = await createSite({ allowedDomains: ['shop.example'], allowLocalhost: true });
    for (const origin of ['https://shop.example', 'https://www.shop.example', 'http://localhost:3000']) {
      const reply = await clientOf(live, origin).config();
      expect([origin, reply.status]).toEqual([origin, 200]);
      expect(reply.headers.get('access-control-allow-origin')).toBe(origin);
    }
    const refused = await clientOf(live, 'https://notshop.example').config();
    expectError(refused, 403, denied);
    // The browser lets the page read the refusal.
    expect(refused.headers.get('access-control-allow-origin')).toBe('https://notshop.example');
  });
});

describe('limits', () => {
  test('ten messages a minute in a session, over all processes, and exactly', async () => {
    const { live } = await createSite();
    const client = clientOf(live);
    await client.chat('One');
    const others = urls.map((url) => clientOf(live, undefined, url));
    for (const other of others) other.keepToken(client.token());
    const replies = await Promise.all(Array.from({ length: 14 }, (_, n) => others[n % 2]!.chat(`Hi ${n}`)));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(9);
    const refused = replies.find(({ status }) => status !== 200)!;
    expectError(refused, 429, 'Rate limit exceeded');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    // Another visitor of the site may.
    expect((await clientOf(live).chat('Hello')).status).toBe(200);
  });

  test('sixty calls a minute with a key, over all processes, and exactly', async () => {
    const { live, test: otherKey } = await createSite();
    const replies = await Promise.all(
      Array.from({ length: 70 }, (_, n) => clientOf(live, undefined, urls[n % 2]!).config()),
    );
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(60);
    expectError(replies.find(({ status }) => status !== 200)!, 429, 'Rate limit exceeded');
    expect((await clientOf(otherKey).config()).status).toBe(200);
  });
});
