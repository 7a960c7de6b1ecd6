import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { openApiDocument } from '../api/reference/document.ts';
import { createRandom } from './support/random.ts';
import { createPeople } from './support/accounts.ts';
import { createApiClient } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import { createFuzzer, type FuzzRequest } from './support/fuzz.ts';

// No input, however malformed, may end in a 5xx, or in a status that the OpenAPI document does not name. The same requests
// in each run; for others:
//   FUZZ_REQUESTS=100000 FUZZ_SEED=7 npx vitest run --project int test/fuzz.int.test.ts
const requests = Number(process.env.FUZZ_REQUESTS ?? 6_000);
const seed = Number(process.env.FUZZ_SEED ?? 365_113);
const atOnce = 16;
/** Streams and waiting calls are left after this: what they answered by then is what counts. */
const patienceMs = 1_500;

let environment: TestEnvironment;
let url: string;
let values: Record<string, string>;
let credentials: Record<string, Record<string, string>>;
const worthless: Record<string, string>[] = [
  {},
  { 'x-api-key': 'cb_live_unknown' },
  { authorization: 'Bearer x' },
];

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  [{ url }] = await Promise.all([environment.startApi(), environment.startWorker()]);
  const people = createPeople(url, inject('servers').mailboxUrl);
  const owner = await people.signUp();
  const api = createApiClient(url, undefined);
  const created = await api.call('POST', '/projects', { name: 'Fuzz' }, owner.bearer);
  const keys = { 'x-api-key': created.json.apiKey };
  const projectId = created.json.project.id;
  const key = await api.call('GET', `/projects/${projectId}/keys`, undefined, owner.bearer);
  const withKey = createApiClient(url, created.json.apiKey);
  const documentId = await withKey.upload('# Shipping\n\nShipping costs 5 euros.');
  await withKey.ready(documentId);
  const asked = await withKey.ask('What does shipping cost?');
  expect(asked.status, asked.text).toBe(200);
  values = {
    projectId,
    documentId,
    conversationId: asked.json.conversationId,
    turnId: asked.json.turnId,
    workspaceId: owner.workspaceId,
    keyId: key.json.keys[0].id,
    before: documentId,
    email: owner.email,
  };
  credentials = { apiKey: keys, bearer: owner.bearer };
}, 180_000);
afterAll(() => environment?.close());

/** These end what the others need, so they come last. */
const isDestructive = (method: string, route: string) =>
  method === 'DELETE' ||
  /logout|rotate|change-password|suspend/.test(route) ||
  /^PATCH .*[yt]Id\}$/.test(`${method} ${route}`);

/** Each costs a tenth of a second of purposely slow hashing. */
const hashesPasswords = (route: string) => /\/auth\/(register|login|reset-password|verify-otp)/.test(route);

/** The existing clients know errors of their own; tests of each look at those. */
const speaksAnothersWords = (tags: readonly string[] = []) =>
  tags.some((tag) => /^(SmartChat|AskMySite|Assistants proxy)/.test(tag));

const statuses = new Map<string, number>();
const faults: string[] = [];
const undocumented = new Set<string>();

async function send({ method, path, route, operation, headers, body }: FuzzRequest): Promise<void> {
  const gone = AbortSignal.timeout(patienceMs);
  let status: number;
  let text = '';
  try {
    const response = await fetch(url + path, {
      method,
      headers,
      signal: gone,
      ...(body === undefined || method === 'GET' ? {} : { body }),
    });
    status = response.status;
    if (status >= 400) text = await response.text();
    else await response.body?.cancel();
  } catch (error) {
    if (gone.aborted) return;
    faults.push(`${method} ${path}: no reply (${(error as Error).cause ?? error})`);
    return;
  }
  statuses.set(`${status}`, (statuses.get(`${status}`) ?? 0) + 1);
  const what = () =>
    `${method} ${path} ${JSON.stringify(headers)} ${body?.slice(0, 300)} → ${status} ${text}`;
  // A turn whose workflow an operator, or a deleted project, has ended is reported so.
  if (status >= 500 && !text.includes('TURN_FAILED')) faults.push(what());
  else if (!(String(status) in operation.responses))
    undocumented.add(`${method} ${route}: ${status} ${text.slice(0, 40)}`);
  else if (status >= 400 && !speaksAnothersWords(operation.tags) && !/^\{.*"code":"[A-Z_]+"/.test(text))
    faults.push(`no error of ours: ${what()}`);
}

async function run(count: number, next: () => FuzzRequest): Promise<void> {
  let sent = 0;
  const sender = async () => {
    while (sent++ < count && faults.length < 20) await send(next());
  };
  await Promise.all(Array.from({ length: atOnce }, sender));
}

test(`${requests} requests made from the OpenAPI document (seed ${seed})`, async () => {
  const document = await openApiDocument();
  const random = createRandom(seed);
  const fuzzer = (takes: (method: string, route: string) => boolean) =>
    createFuzzer({ document, random, takes, values, credentials, worthless });
  const harmless = (method: string, route: string) => !isDestructive(method, route);
  await run(
    requests * 0.88,
    fuzzer((method, route) => harmless(method, route) && !hashesPasswords(route)),
  );
  await run(
    requests * 0.02,
    fuzzer((method, route) => harmless(method, route) && hashesPasswords(route)),
  );
  await run(requests * 0.1, fuzzer(isDestructive));
  expect(faults.slice(0, 5), `seed ${seed}`).toEqual([]);

  expect([...undocumented].sort(), "to be added to the routes' `errors`").toEqual([]);
  const total = [...statuses.values()].reduce((sum, count) => sum + count, 0);
  console.log(`fuzz: seed ${seed}, ${total} replies: ${JSON.stringify(Object.fromEntries(statuses))}`);
  expect(total).toBeGreaterThan(requests * 0.9);
  expect(statuses.get('200'), 'some of them are good').toBeGreaterThan(requests * 0.1);
  expect((await fetch(`${url}/ready`)).status).toBe(200);
}, 600_000);
