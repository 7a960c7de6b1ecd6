import { createServer } from 'node:http';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { Dispatch } from '../domain/flows.ts';
import { messageIdOf, type NewMail } from '../domain/mails.ts';
import { createResendTransport } from '../providers/mail/resend.ts';
import { insertMail } from '../stores/postgres/mails.ts';
import { eventually } from './support/api-client.ts';
import {
  createTestEnvironment,
  freePort,
  type TestEnvironment,
  type TestProject,
} from './support/environment.ts';
import { createMailbox } from './support/mailbox.ts';
import { startSmtpServer } from './support/smtp.ts';
import { createTestWorker } from './support/test-worker.ts';
import { createTimeSkipping } from './support/time-skipping.ts';
import { wireActivities } from './support/wiring.ts';

let environment: TestEnvironment;
let project: TestProject;
let timeSkipping: TestWorkflowEnvironment;

beforeAll(async () => {
  const servers = inject('servers');
  environment = await createTestEnvironment(servers);
  project = await environment.createProject();
  timeSkipping = await createTimeSkipping(servers);
});
afterAll(async () => {
  await timeSkipping?.teardown();
  await environment?.close();
});

const code = (to: string): NewMail => ({
  projectId: project.id,
  template: 'lead_code',
  params: { code: '314159', minutes: 10, project: 'Test' },
  to,
  language: 'de',
});
const warning = (to: string): NewMail => ({
  projectId: null,
  template: 'key_public_warning',
  params: { project: 'Test', keyPrefix: 'cb_live_abcd' },
  to,
  language: 'en',
});
type MailDispatch = Extract<Dispatch, { workflowType: 'sendMail' }>;
const write = async (mail: NewMail) =>
  (await environment.sql.begin((tx) => insertMail(tx, environment.encryption, mail))) as MailDispatch;

async function row(dispatch: MailDispatch) {
  const [found] = await environment.sql`select * from mails where id = ${dispatch.input.mailId}`;
  return found!;
}

/** Sends one mail on the time-skipping server, with this mail server. Says what the workflow threw and how long it took. */
async function send(smtpUrl: string, dispatch: MailDispatch) {
  const { activities, close } = wireActivities(environment, {
    elasticsearchUrl: 'http://127.0.0.1:1',
    smtpUrl,
  });
  const worker = await createTestWorker({
    connection: timeSkipping.nativeConnection,
    taskQueue: 'mails',
    activities,
  });
  const { workflowId, input } = dispatch;
  // Not for the real worker's sweep.
  await environment.sql`delete from dispatches where workflow_id = ${workflowId}`;
  const options = { taskQueue: 'mails', workflowId, args: [input] as const };
  const thrown = await worker.runUntil(
    timeSkipping.client.workflow.execute('sendMail', options).then(
      () => undefined,
      (error: Error) => error.cause as Error,
    ),
  );
  await close();
  const { startTime, closeTime } = await timeSkipping.client.workflow.getHandle(workflowId).describe();
  return { thrown, took: closeTime!.getTime() - startTime.getTime() };
}

test('a mail that was written down arrives, in its language and from its project; its secrets are gone', async () => {
  const mailbox = createMailbox(inject('servers').mailboxUrl);
  await environment.startWorker();
  const to = `${project.id}@visitors.example`;
  const lead = await write(code(to));
  const account = await write(warning(`account-${to}`));
  const [sealed] = await environment.sql`select params from mails where id = ${lead.input.mailId}`;
  expect(sealed!.params).not.toContain('314159');

  // Nobody starts them: the worker's sweep does.
  const mail = await mailbox.nth(to);
  expect(mail.subject).toBe('314159 ist Ihr Code für Test');
  expect(mail.text).toContain('10 Minuten');
  expect(mail.html).toContain('dir="ltr"');
  expect(mail.from).toEqual([{ address: 'frontdesk@localhost', name: 'Test' }]);
  expect(mail.headers['message-id']).toBe(messageIdOf(lead.input.mailId));
  expect((await mailbox.nth(`account-${to}`)).from[0]!.name).toBe('Frontdesk');
  for (const dispatch of [lead, account]) {
    const sent = await eventually(async () => {
      const found = await row(dispatch);
      return found.status === 'sent' ? found : undefined;
    });
    expect(sent).toMatchObject({ params: null, reason: null, attempts: 1 });
  }
  const { events } = await environment.temporal.workflow.getHandle(lead.workflowId).fetchHistory();
  expect(JSON.stringify(events)).not.toMatch(/314159|visitors\.example/);
});

test('a refused recipient ends the mail as refused, with the reason and without the address', async () => {
  const smtp = await startSmtpServer({
    recipient: (_n, address) => [550, `5.1.1 <${address}> does not exist here`],
  });
  const dispatch = await write(code('nobody@visitors.example'));
  const { thrown } = await send(smtp.url, dispatch);
  const reason = expect.stringMatching(/refused.*550 5\.1\.1 <\(address\)> does not exist/);
  expect(thrown).toMatchObject({ type: 'MAIL_REFUSED', message: reason });
  expect(await row(dispatch)).toMatchObject({ status: 'refused', reason, params: null, attempts: 1 });
  await smtp.close();
});

test('greylisting is waited for, and a server that hangs up in the middle gets the same mail again', async () => {
  const smtp = await startSmtpServer({
    recipient: (n) => (n <= 4 ? [451, '4.7.1 Greylisted, try again later'] : undefined),
    data: (n) => (n <= 2 ? [421, '4.3.0 Closing'] : undefined),
  });
  const dispatch = await write(code('grey@visitors.example'));
  const { thrown, took } = await send(smtp.url, dispatch);
  expect(thrown).toBeUndefined();
  expect(took).toBeGreaterThan(30_000);
  expect(smtp.mails).toHaveLength(1);
  expect(smtp.mails[0]!.messageId).toBe(messageIdOf(dispatch.input.mailId));
  expect(smtp.mails[0]!.raw).toContain('314159');
  expect(await row(dispatch)).toMatchObject({ status: 'sent', attempts: 7, reason: null });
  await smtp.close();
});

test('a mail server that is down for more than an hour: a notice arrives, a code is given up when it expires', {
  timeout: 120_000,
}, async () => {
  const smtp = await startSmtpServer({
    connection: (n) => (n <= 24 ? [421, '4.3.2 Down for maintenance'] : undefined),
  });
  const notice = await write(warning('owner@shop.example'));
  const { thrown, took } = await send(smtp.url, notice);
  expect(thrown).toBeUndefined();
  expect(took).toBeGreaterThan(3_600_000);
  expect(smtp.mails.map(({ to }) => to)).toEqual([['owner@shop.example']]);
  await smtp.close();

  const nowhere = `smtp://127.0.0.1:${await freePort()}`;
  const late = await write(code('late@visitors.example'));
  const outcome = await send(nowhere, late);
  expect(outcome.thrown).toMatchObject({
    type: 'MAIL_EXPIRED',
    message: expect.stringMatching(/no more use: SMTP: the server did not take it: .*ECONNREFUSED/),
  });
  expect(outcome.took).toBeLessThan(601_000);
  expect(await row(late)).toMatchObject({ status: 'failed', params: null });
});

test('a code that waited past its expiry is not sent at all', async () => {
  const smtp = await startSmtpServer();
  const dispatch = await write(code('past@visitors.example'));
  await environment.sql`update mails set expires_at = now() - interval '1 second' where id = ${dispatch.input.mailId}`;
  expect((await send(smtp.url, dispatch)).thrown).toMatchObject({ type: 'MAIL_EXPIRED' });
  expect(smtp.counts.connection).toBe(0);
  await smtp.close();
});

test('a mail whose workflow an operator terminated is recorded as failed', async () => {
  const dispatch = await write(code('terminated@visitors.example'));
  await environment.sql`delete from dispatches where workflow_id = ${dispatch.workflowId}`;
  await environment.sql`
    update mails set expires_at = now() - interval '5 minutes' where id = ${dispatch.input.mailId}`;
  const failed = await eventually(async () => {
    const found = await row(dispatch);
    return found.status === 'queued' ? undefined : found;
  });
  expect(failed).toMatchObject({ status: 'failed', reason: 'The workflow was deleted in Temporal.' });
});

test('Resend gets the documented call; what it refuses and what it wants later are told apart', async () => {
  const calls: { headers: Record<string, unknown>; body: Record<string, unknown> }[] = [];
  const replies: [number, object, Record<string, string>?][] = [
    [200, { id: 'x' }],
    [429, { message: 'Too many requests' }, { 'retry-after': '7' }],
    [422, { message: 'Invalid `to` field' }],
    [403, { message: 'The domain is not verified' }],
  ];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    calls.push({ headers: request.headers, body: JSON.parse(Buffer.concat(parts).toString()) });
    const [status, body, headers] = replies[calls.length - 1]!;
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const transport = createResendTransport({
    apiKey: 'key',
    from: 'desk@shop.example',
    url: `http://127.0.0.1:${port}`,
  });
  const mail = {
    id: 'id-1',
    messageId: '<id-1@frontdesk.mail>',
    to: 'a@visitors.example',
    fromName: 'The "Shop"',
    subject: 'Hi',
    text: 'Text',
    html: '<p>Text</p>',
    language: 'en',
  };
  const send = () => transport.send(mail, new AbortController().signal);
  await send();
  expect(calls[0]!.headers).toMatchObject({ authorization: 'Bearer key', 'idempotency-key': 'id-1' });
  expect(calls[0]!.body).toMatchObject({
    from: '"The \\"Shop\\"" <desk@shop.example>',
    to: ['a@visitors.example'],
    headers: { 'Message-ID': '<id-1@frontdesk.mail>' },
  });
  await expect(send()).rejects.toMatchObject({ retryable: true, retryAfterMs: 7_000 });
  await expect(send()).rejects.toMatchObject({ name: 'MailRefused' });
  await expect(send()).rejects.toMatchObject({ name: 'ProviderError', retryable: true });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
