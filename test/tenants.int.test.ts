// Tenants that share one server call everything at random, with their own credentials and with everybody's ids. Whatever
// they get, nothing of another tenant is in it.
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type Answer, createApiClient, eventually } from './support/api-client.ts';
import { createPeople } from './support/accounts.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import { type Operation, operationsOf } from './support/operations.ts';
import { createRandom, type Random } from './support/random.ts';

const calls = Number(process.env.TENANT_CALLS ?? 2_000);
const seed = Number(process.env.TENANT_SEED ?? 20_261_121);

interface Tenant {
  /** Stands in everything that the tenant stores. */
  mark: string;
  credentials: Record<string, string>[];
  /** Values of path and query parameters, by name. */
  ids: Record<string, string[]>;
}

let environment: TestEnvironment;
let api: ReturnType<typeof createApiClient>;
let operations: Operation[];
let logs: () => string;
const tenants: Tenant[] = [];

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  const limits = {
    RATE_LIMIT_MAX_REQUESTS: '1000000',
    RATE_LIMIT_VISITOR_REQUESTS: '1000000',
    RATE_LIMIT_SESSION_REQUESTS: '1000000',
  };
  const [server] = await Promise.all([environment.startApi(limits), environment.startWorker()]);
  api = createApiClient(server.url, undefined);
  logs = () => server.output();
  operations = operationsOf((await api.call('GET', '/v1/openapi.json')).json);
  const people = createPeople(server.url, inject('servers').mailboxUrl);
  for (const mark of ['zinnober', 'malachit', 'lapislazuli'])
    tenants.push(await createTenant(server.url, people, mark));
}, 240_000);
afterAll(() => environment?.close());

async function createTenant(
  url: string,
  people: ReturnType<typeof createPeople>,
  mark: string,
): Promise<Tenant> {
  const person = await people.signUp();
  const settings = { name: `The ${mark} shop`, chatbotName: mark, siteName: mark };
  const created = (await api.call('POST', '/projects', settings, person.bearer)).json;
  const projectId: string = created.project.id;
  const client = createApiClient(url, created.apiKey);
  const makeKey = async (kind: string) =>
    (await api.call('POST', `/projects/${projectId}/keys`, { name: mark, kind }, person.bearer)).json;
  const [secret, page] = [await makeKey('secret'), await makeKey('publishable')];
  const documentId = await client.upload(`# Delivery\n\nThe ${mark} parcel takes 17 days.`, {
    title: mark,
    source: mark,
  });
  await client.ready(documentId);
  const answers: Answer[] = [];
  for (const question of [`How long does the ${mark} parcel take?`, 'Do you sell boats?'])
    answers.push(await client.ask(question));
  expect(answers[0]!.json.reply).toContain(mark);
  return {
    mark,
    credentials: [
      person.bearer,
      { 'x-api-key': created.apiKey },
      { 'x-api-key': secret.apiKey },
      { 'x-api-key': page.apiKey },
      { 'x-api-key': page.apiKey, origin: 'https://shop.example' },
    ],
    ids: {
      projectId: [projectId],
      workspaceId: [person.workspaceId],
      userId: [person.userId],
      documentId: [documentId],
      keyId: [secret.key.id, page.key.id],
      conversationId: answers.map((answer) => answer.json.conversationId),
      turnId: answers.map((answer) => answer.json.turnId),
    },
  };
}

/** What would end what the others are about to look for. */
const endsThings = ({ method, path }: Operation) =>
  method === 'DELETE' ||
  /rotate|regenerate|logout|password|suspend|login|register|otp|refresh|\/chat$|stream$|\/turns$/.test(path);

const anyOf = (random: Random, tenant: Tenant, name: string): string => {
  const values = tenant.ids[name] ?? Object.values(tenant.ids).flat();
  return random.pick(values);
};

/** A body that has a good chance to be accepted: fields of the schema, with the caller's words and everybody's ids. */
function bodyFor(random: Random, { body }: Operation, caller: Tenant, about: Tenant): object | undefined {
  const properties = (body as { properties?: Record<string, { type?: string }> } | undefined)?.properties;
  if (!properties) return undefined;
  const value = (name: string, type: string | undefined) => {
    if (name.endsWith('Id')) return anyOf(random, about, name);
    if (type === 'string') return random.pick([caller.mark, 'How long does the parcel take?', 'Delivery']);
    if (type === 'integer' || type === 'number') return random.between(1, 20);
    return undefined;
  };
  return Object.fromEntries(Object.entries(properties).map(([key, { type }]) => [key, value(key, type)]));
}

test(`${calls} random calls show nothing of another tenant`, async () => {
  const random = createRandom(seed);
  const callable = operations.filter(
    (operation) => !endsThings(operation) && !operation.path.endsWith('/events'),
  );
  expect(callable.length).toBeGreaterThan(25);
  const statuses = new Map<number, number>();
  const one = async () => {
    const [caller, about] = [random.pick(tenants), random.pick(tenants)];
    const operation = random.pick(callable);
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name) => anyOf(random, about, name));
    const query = new URLSearchParams();
    if (operation.role && !path.includes(about.ids.projectId![0]!))
      query.set('projectId', about.ids.projectId![0]!);
    if (random.chance(0.3)) query.set('conversationId', anyOf(random, about, 'conversationId'));
    if (random.chance(0.2)) query.set('q', about.mark);
    const body = bodyFor(random, operation, caller, about);
    const answer = await api.call(
      operation.method,
      `${path}?${query}`,
      body,
      random.pick(caller.credentials),
    );
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    const sent = `${path}?${query}${JSON.stringify(body ?? '')}`;
    for (const other of tenants) {
      if (other === caller) continue;
      for (const mine of [other.mark, ...Object.values(other.ids).flat()]) {
        // What the caller said itself may be repeated to it.
        if (sent.includes(mine)) continue;
        expect(
          answer.text.includes(mine),
          `${operation.method} ${sent} shows ${mine} to ${caller.mark}`,
        ).toBe(false);
      }
    }
    expect(answer.status, `${operation.method} ${sent}: ${answer.text}`).toBeLessThan(500);
  };
  for (let done = 0; done < calls; done += 10) await Promise.all(Array.from({ length: 10 }, one));
  // The calls meant something: many were answered.
  expect(statuses.get(200) ?? 0).toBeGreaterThan(calls / 10);
}, 600_000);

test('what is searched and asked finds only the tenant’s own documents', async () => {
  for (const caller of tenants) {
    for (const other of tenants.filter((tenant) => tenant !== caller)) {
      const key = caller.credentials[1]!;
      const found = await api.call(
        'POST',
        '/retrieval/search',
        { query: `${other.mark} parcel`, limit: 20 },
        key,
      );
      expect(found.json.results.length).toBeGreaterThan(0);
      const asked = await api.call('POST', '/chat', { message: 'How long does the parcel take?' }, key);
      for (const text of [found.text, asked.text]) expect(text).not.toContain(other.ids.documentId![0]!);
      expect(asked.text).not.toContain(other.mark);
    }
  }
});

test('what the tenants had is as it was', async () => {
  for (const { mark, ids } of tenants) {
    const documents = await environment.sql`
      select 1 from documents where id = ${ids.documentId![0]!} and title = ${mark} and deleted_at is null`;
    expect(documents).toHaveLength(1);
  }
});

test('the log holds no document, question, address or key', async () => {
  const text = await eventually(async () => (logs().length > 10_000 ? logs() : undefined));
  for (const { mark, credentials } of tenants) {
    expect(text).not.toContain(mark);
    for (const secret of credentials.flatMap((headers) => [headers['x-api-key'], headers.authorization])) {
      if (secret) expect(text).not.toContain(secret.replace('Bearer ', ''));
    }
  }
  expect(text).not.toMatch(/@example\.com/);
});
