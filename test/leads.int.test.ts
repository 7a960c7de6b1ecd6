import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createLogger } from '../logging.ts';
import { newId } from '../stores/postgres/ids.ts';
import { createDispatcher } from '../temporal/dispatcher.ts';
import { createLeadFlow } from '../temporal/lead-flow.ts';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import { createMailbox } from './support/mailbox.ts';
import type { RunningProcess } from './support/processes.ts';
import { startVisitor, type Visitor } from './support/visitor.ts';

let environment: TestEnvironment;
let project: TestProject;
let url: string;
let worker: RunningProcess;
let api: ReturnType<typeof createApiClient>;
const mailbox = createMailbox(inject('servers').mailboxUrl);

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject({
    leads: {
      notify: ['owner@shop.example'],
      consent: { version: '2026-1', text: 'We keep your address.' },
      fields: [{ key: 'company', label: 'Company' }],
    },
  });
  worker = await environment.startWorker();
  url = (await environment.startApi()).url;
  api = createApiClient(url, project.key);
  await api.ready(await api.upload('# Prices\n\nA lamp costs 40 euros.'));
});
afterAll(() => environment?.close());

const newAddress = () => `v-${newId()}@visitors.example`;
const visitor = (key = project.key) => startVisitor(createApiClient(url, key));

test('name, address, code, then the question that was asked first', async () => {
  const { say, verify, sessionId } = await visitor();
  const email = newAddress();
  expect(await say('What does a lamp cost?')).toMatchObject({
    stage: 'awaiting_name',
    reply: expect.stringContaining('noted your question'),
  });
  expect(await say('!!!')).toMatchObject({ stage: 'awaiting_name' });
  const named = await say('My name is Mira Holm');
  expect(named).toMatchObject({ stage: 'awaiting_email', reply: expect.stringContaining('Mira Holm') });
  expect(named.reply).toContain('We keep your address.');
  expect(await say('mira at home')).toMatchObject({ stage: 'awaiting_email' });
  expect(await say('mira@mailinator.com')).toMatchObject({
    stage: 'awaiting_email',
    reply: expect.stringContaining('throw-away'),
  });
  expect(await say(email, { fields: { company: '=Lamps' } })).toMatchObject({ stage: 'awaiting_otp' });
  expect(await say('hm')).toMatchObject({ stage: 'awaiting_otp' });
  const code = await mailbox.code(email);
  const wrong = await verify(code === '123456' ? '654321' : '123456');
  expect([wrong.status, wrong.json.code, wrong.json.details]).toEqual([
    401,
    'ASSISTANT_INVALID_OTP',
    { triesLeft: 4 },
  ]);
  const ready = await verify(code);
  expect(ready.status, ready.text).toBe(200);
  expect(ready.json).toMatchObject({ stage: 'ready', reply: expect.stringContaining('40 euros') });
  expect(await say('Is a lamp expensive, what does it cost?')).toMatchObject({
    stage: 'ready',
    conversationId: ready.json.conversationId,
    reply: expect.stringContaining('40 euros'),
  });
  expect((await verify(code)).json.code).toBe('ASSISTANT_OTP_NOT_PENDING');

  const { leads } = (await api.call('GET', `/leads?search=${encodeURIComponent(email)}`)).json;
  expect(leads).toMatchObject([
    {
      name: 'Mira Holm',
      email,
      status: 'new',
      fields: { company: '=Lamps' },
      consent: { version: '2026-1', text: 'We keep your address.' },
    },
  ]);
  const detail = await api.call('GET', `/leads/${leads[0].id}`);
  expect(detail.json.transcript.map(({ role }: { role: string }) => role)).toEqual([
    'user',
    'assistant',
    'user',
    'assistant',
  ]);
  const notice = await mailbox.nth('owner@shop.example');
  expect(notice.text).toContain('Company: =Lamps');
  expect(notice.text).toContain('Mira Holm: What does a lamp cost?');

  const { events } = await environment.temporal.workflow.getHandle(`lead/${sessionId}`).fetchHistory();
  const history = Buffer.from(JSON.stringify(events)).toString();
  const payloads = [...history.matchAll(/"data":\{"type":"Buffer","data":\[([\d,]+)\]\}/g)].map(([, bytes]) =>
    Buffer.from(bytes!.split(',').map(Number)).toString(),
  );
  expect(payloads.join(' ') + history).not.toMatch(new RegExp(`Mira|${code}|visitors\\.example`));
});

test('a code works once in fifty parallel calls', async () => {
  const { say, verify } = await visitor();
  const email = newAddress();
  await say('Jonas');
  await say(email);
  const code = await mailbox.code(email);
  const answers = await Promise.all(Array.from({ length: 50 }, () => verify(code)));
  const statuses = answers.map(({ status }) => status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  expect(statuses.filter((status) => status === 409)).toHaveLength(49);
  const [row] = await environment.sql`select count(*)::int as n from leads where email = ${email}`;
  expect(row!.n).toBe(1);
});

test('a corrected address gets a new code; the old one is dead; resend has a pause', async () => {
  const { say, verify, resend } = await visitor();
  const [first, second] = [newAddress(), newAddress()];
  await say('Ana');
  await say(first);
  const old = await mailbox.code(first);
  expect(await say(first)).toMatchObject({ stage: 'awaiting_otp' });
  expect(await say(second)).toMatchObject({ stage: 'awaiting_otp', reply: expect.stringContaining(second) });
  const code = await mailbox.code(second);
  if (old !== code) expect((await verify(old)).status).toBe(401);
  const early = await resend();
  expect([early.status, early.json.code]).toEqual([429, 'RATE_LIMIT_EXCEEDED']);
  expect(Number(early.headers.get('retry-after'))).toBeGreaterThan(50);
  expect((await say(code.replace(/^(...)/, '$1 '))).stage).toBe('ready');
  await setTimeout(500);
  expect(await mailbox.to(first)).toHaveLength(1);
});

test('five wrong codes block the session, and nothing else', async () => {
  const { say, verify } = await visitor();
  const email = newAddress();
  await say('Eve');
  await say(email);
  const code = await mailbox.code(email);
  for (let left = 4; left >= 0; left -= 1) {
    const answer = await verify(code === '111111' ? '222222' : '111111');
    expect([answer.status, answer.json.code]).toEqual(
      left > 0 ? [401, 'ASSISTANT_INVALID_OTP'] : [401, 'ASSISTANT_INVALID_OTP'],
    );
    expect(answer.json.details.triesLeft).toBe(left);
  }
  expect((await verify(code)).json.code).toBe('RATE_LIMIT_EXCEEDED');
  const { sessionId } = await visitor();
  expect(sessionId).toBeTruthy();
});

test('one lead for an address, over sessions; its answers are counted exactly under parallel calls', async () => {
  const limited = await environment.createProject({ assistantMessageLimit: 5 });
  const email = newAddress();
  const sessions: Visitor[] = [];
  for (const [n, name] of ['Kim', 'Kim Lee'].entries()) {
    const session = await visitor(limited.key);
    await session.say(name);
    await session.say(email);
    expect((await session.verify(await mailbox.code(email, n + 1))).status).toBe(200);
    sessions.push(session);
  }
  const leads = (await createApiClient(url, limited.key).call('GET', '/leads')).json.leads;
  expect(leads).toMatchObject([{ email, name: 'Kim Lee' }]);
  const calls = Array.from({ length: 12 }, (_, n) => sessions[n % 2]!.chat(`Question number ${n}`));
  const statuses = (await Promise.all(calls)).map(({ status, json }) => [status, json.code]);
  expect(statuses.filter(([status]) => status === 200)).toHaveLength(5);
  expect(statuses.filter(([, code]) => code === 'ASSISTANT_MESSAGE_LIMIT_REACHED')).toHaveLength(7);
});

test('mails are limited for an address', async () => {
  const few = await environment.createProject({ leads: { codesPerAddress: 2, codesPerIp: 3 } });
  const email = newAddress();
  for (let n = 1; n <= 3; n += 1) {
    const { say, chat } = await visitor(few.key);
    await say('Max');
    const answer = await chat(email);
    expect([answer.status, answer.json.code]).toEqual(
      n <= 2 ? [200, undefined] : [429, 'RATE_LIMIT_EXCEEDED'],
    );
  }
  const { say, chat } = await visitor(few.key);
  await say('Max');
  expect((await chat(newAddress())).status).toBe(200);
  const last = await visitor(few.key);
  await last.say('Max');
  expect((await last.chat(newAddress())).status).toBe(429);
});

test('a lead is found, changed, noted and exported without formulas', async () => {
  const find = async (query: string) => (await api.call('GET', `/leads?${query}`)).json.leads;
  const [mira] = await find('search=mira');
  const changed = await api.call('PATCH', `/leads/${mira.id}`, {
    status: 'contacted',
    assignee: 'Sam',
    tags: ['vip'],
    note: 'Called back.',
  });
  expect(changed.status, changed.text).toBe(200);
  expect(changed.json).toMatchObject({
    lead: { status: 'contacted', assignee: 'Sam', tags: ['vip'] },
    notes: [{ text: 'Called back.', author: null }],
  });
  for (const query of ['status=contacted', 'tag=vip', 'assignee=Sam', 'search=lamps']) {
    expect((await find(query)).map(({ id }: { id: string }) => id)).toEqual([mira.id]);
  }
  expect(await find('status=won')).toEqual([]);
  expect(await find('search=%25')).toEqual([]);
  expect((await api.call('PATCH', `/leads/${mira.id}`, {})).status).toBe(400);
  expect((await api.call('PATCH', `/leads/${mira.id}`, { fields: { age: '7' } })).json.message).toContain(
    'fields.age',
  );
  expect((await api.call('GET', '/leads/nobody')).json.code).toBe('LEAD_NOT_FOUND');

  const pages = [];
  for (let cursor = ''; ; ) {
    const { json } = await api.call('GET', `/leads?limit=2${cursor && `&cursor=${cursor}`}`);
    pages.push(...json.leads.map(({ email }: { email: string }) => email));
    if (!json.nextCursor) break;
    cursor = json.nextCursor;
  }
  const json = await api.call('GET', '/leads/export?format=json');
  expect(json.json.map(({ email }: { email: string }) => email)).toEqual(pages);
  expect(new Set(pages).size).toBe(pages.length);

  const csv = await api.call('GET', '/leads/export');
  expect(csv.headers.get('content-type')).toContain('text/csv');
  const lines = csv.text.trim().split('\r\n');
  expect(lines).toHaveLength(pages.length + 1);
  expect(lines[0]).toContain('Company');
  expect(lines.find((line) => line.includes('Mira Holm'))).toContain(",'=Lamps,");
  const fromPage = await api.call('GET', '/leads', undefined, { origin: 'https://shop.example' });
  expect(fromPage.status).toBe(403);
});

test('errors keep their codes', async () => {
  const none = '00000000-0000-4000-8000-000000000000';
  const code = async (path: string, body?: unknown, headers?: Record<string, string>) => {
    const answer = await api.call('POST', path, body, headers);
    return [answer.status, answer.json.code];
  };
  expect(await code('/assistant/chat', { sessionId: none, message: 'x' })).toEqual([
    404,
    'ASSISTANT_SESSION_NOT_FOUND',
  ]);
  expect(await code('/assistant/chat', { sessionId: 'x', message: 'x' })).toEqual([
    404,
    'ASSISTANT_SESSION_NOT_FOUND',
  ]);
  expect(await code('/assistant/verify-otp', { otp: '123456' })).toEqual([400, 'SESSION_ID_REQUIRED']);
  expect(await code('/assistant/verify-otp', { sessionId: none })).toEqual([400, 'OTP_REQUIRED']);
  expect(await code('/assistant/resend-otp')).toEqual([400, 'SESSION_ID_REQUIRED']);
  const { sessionId, resend } = await visitor();
  expect(await code('/assistant/chat', { sessionId, message: ' ' })).toEqual([400, 'MESSAGE_REQUIRED']);
  expect((await resend()).json.code).toBe('ASSISTANT_OTP_NOT_PENDING');
  const empty = await api.call('POST', '/assistant/chat', undefined, { 'content-type': 'application/json' });
  expect(empty.json).toMatchObject({ stage: 'awaiting_name' });
  expect((await api.call('POST', '/assistant/chat')).json).toMatchObject({ stage: 'awaiting_name' });
  const other = await environment.createProject();
  const foreign = createApiClient(url, other.key);
  expect((await foreign.call('POST', '/assistant/chat', { sessionId, message: 'Mira' })).status).toBe(404);
});

test('projects that ask during the chat: after some answers, when one was unanswered, on request, never', async () => {
  const withMode = async (leads: object) => {
    const { key } = await environment.createProject({ leads });
    const client = createApiClient(url, key);
    await client.ready(await client.upload('# Prices\n\nA lamp costs 40 euros.'));
    return await startVisitor(client);
  };
  const after = await withMode({ mode: 'after', afterAnswers: 2 });
  expect(after.first.stage).toBe('ready');
  expect((await after.say('What does a lamp cost?')).stage).toBe('ready');
  const second = await after.say('Tell me the price of a lamp');
  expect(second).toMatchObject({
    stage: 'awaiting_name',
    reply: expect.stringMatching(/40 euros[\s\S]*your name/),
  });
  const between = await after.say('What does a lamp cost?');
  expect(between).toMatchObject({ stage: 'awaiting_name', reply: expect.stringContaining('40 euros') });
  expect((await after.say('Mira')).stage).toBe('awaiting_email');

  const unanswered = await withMode({ mode: 'unanswered' });
  expect((await unanswered.say('What does a lamp cost?')).stage).toBe('ready');
  expect((await unanswered.say('Who painted the Mona Lisa?')).stage).toBe('awaiting_name');

  const request = await withMode({ mode: 'request' });
  expect((await request.say('Who painted the Mona Lisa?')).stage).toBe('ready');
  const asked = await api.call('POST', '/assistant/chat', {
    sessionId: request.sessionId,
    leaveContact: true,
  });
  expect(asked.status).toBe(404);
  expect((await request.chat('', { leaveContact: true })).json.stage).toBe('awaiting_name');

  const off = await withMode({ mode: 'off' });
  expect((await off.chat('', { leaveContact: true })).json.code).toBe('MESSAGE_REQUIRED');
  expect((await off.resend()).json.code).toBe('ASSISTANT_OTP_NOT_PENDING');
});

test('without a worker a call is 503 within five seconds, and counts once when it is repeated', async () => {
  const { say, verify, sessionId } = await visitor();
  const email = newAddress();
  const restart = async () => {
    worker = await environment.startWorker();
  };
  const stop = async () => {
    worker.kill('SIGTERM');
    await worker.exited;
  };
  await stop();
  const began = Date.now();
  const silent = await api.call('POST', '/assistant/chat', { sessionId, message: 'Mira' });
  expect(Date.now() - began).toBeLessThan(5_000);
  expect([silent.status, silent.json.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
  expect(Number(silent.headers.get('retry-after'))).toBeGreaterThan(0);
  await restart();
  expect((await say('Mira')).stage).toBe('awaiting_email');
  await say(email);
  const code = await mailbox.code(email);
  await stop();
  const early = await api.call('POST', '/assistant/verify-otp', { sessionId, otp: code });
  expect(early.status).toBe(503);
  await restart();
  await setTimeout(3_000);
  const verified = await verify(code);
  expect([verified.status, verified.json.stage], verified.text).toEqual([200, 'ready']);
  expect((await verify(code)).status).toBe(409);
  const [rows] = await environment.sql`
    select count(*)::int as inputs from lead_inputs where session_id = ${sessionId}`;
  expect(rows).toEqual({ inputs: 3 });
});

test('a call whose API died before its reply was out gets the same answer when it is repeated, and once', async () => {
  const { say, verify, sessionId } = await visitor();
  const email = newAddress();
  await say('Mira');
  await say(email);
  const code = await mailbox.code(email);
  expect((await verify(code)).status).toBe(200);
  const replyIsOut = async () => {
    const [{ left }] = await environment.sql<[{ left: number }]>`
      select count(*)::int as left from lead_inputs where session_id = ${sessionId} and not delivered`;
    return left === 0;
  };
  await expect.poll(replyIsOut).toBe(true);
  // What such an API leaves: recorded, not delivered, and held by a call that is no more.
  await environment.sql`
    update lead_inputs set delivered = false, held_until = now() + interval '1 second'
    where session_id = ${sessionId} and kind = 'code'`;
  const again = await Promise.all([verify(code), verify(code)]);
  expect(again.map(({ status }) => status).sort()).toEqual([200, 409]);
  const answer = again.find(({ status }) => status === 200)!;
  expect(answer.json).toMatchObject({ stage: 'ready', outcome: 'verified' });
});

test('a step that was recorded and that its workflow never learned of does not hold up the next one', async () => {
  const { leadSessions, leadSteps } = environment.stores;
  const settings = await leadSessions.settings(project.id);
  for (const repeats of [false, true]) {
    const { say, sessionId } = await visitor();
    // What is left where Temporal or the worker dies between the step's activity and the end of the workflow's task.
    const lost = await leadSessions.hold(project.id, sessionId, { kind: 'name', value: 'Mira' });
    await leadSteps.takeName(project.id, sessionId, lost!.id, { name: 'Mira', project: settings });
    await leadSessions.release(project.id, lost!.id);
    if (repeats) expect(await say('Mira')).toMatchObject({ stage: 'awaiting_email', outcome: 'name_taken' });
    const email = newAddress();
    expect(await say(email)).toMatchObject({ stage: 'awaiting_otp', outcome: 'code_sent' });
    expect(await say(await mailbox.code(email))).toMatchObject({ stage: 'ready' });
  }
});

test('a session whose workflow an operator terminated has expired', async () => {
  const { chat, sessionId } = await visitor();
  const handle = environment.temporal.workflow.getHandle(`lead/${sessionId}`);
  // The reply does not wait for the start of the workflow.
  await eventually(async () => await handle.describe().catch(() => undefined));
  await handle.terminate('test');
  expect((await chat('Mira')).json.code).toBe('ASSISTANT_SESSION_NOT_FOUND');
  const [row] = await environment.sql`select stage, reason from lead_sessions where id = ${sessionId}`;
  expect(row).toEqual({ stage: 'expired', reason: 'Its workflow was ended.' });
});

test('a session whose workflow starts between two looks at it goes on', async () => {
  const { stores, temporal } = environment;
  const { sessionId, dispatch } = await stores.leadSessions.create(project.id, {
    language: 'en',
    ip: '192.0.2.1',
    settings: (await stores.leadSessions.settings(project.id)).settings,
  });
  const dispatcher = createDispatcher({
    client: temporal,
    dispatches: stores.dispatches,
    logger: createLogger({ name: 'test', level: 'silent' }),
  });
  // As if a sweep had started it just after Temporal said that there is none.
  const flow = createLeadFlow({
    client: temporal,
    dispatches: {
      ...stores.dispatches,
      async has() {
        await dispatcher.start(dispatch!);
        return false;
      },
    },
  });
  await environment.sql`delete from dispatches where workflow_id = ${dispatch!.workflowId}`;
  const input = await stores.leadSessions.hold(project.id, sessionId, { kind: 'name', value: 'Mira' });
  expect(await flow.tell(sessionId, input!)).toMatchObject({ stage: 'awaiting_email' });
});
