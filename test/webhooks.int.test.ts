import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import { createTestWorker } from './support/test-worker.ts';
import { createTimeSkipping } from './support/time-skipping.ts';
import { startReceiver } from './support/webhook-receiver.ts';
import { wireActivities } from './support/wiring.ts';

let environment: TestEnvironment;
let project: TestProject;
let api: ReturnType<typeof createApiClient>;
let admin: ReturnType<typeof createApiClient>;
let url: string;

const question = 'What does shipping to Norway cost?';

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  const [, server] = await Promise.all([
    environment.startWorker({ OUTBOUND_ALLOWED_RANGES: '127.0.0.1/32' }),
    environment.startApi(),
  ]);
  url = server.url;
  api = createApiClient(url, project.key);
  admin = await adminOf(project);
  await api.ready(await api.upload('# Shipping\n\nShipping to Norway costs 19 euros.'));
});
afterAll(() => environment?.close());

async function adminOf({ id }: TestProject) {
  const key = `cb_test_admin_${id}`;
  await environment.stores.keys.create(id, { key, kind: 'secret', name: 'admin', environment: 'test' });
  return createApiClient(url, key);
}

async function addWebhook(receiverUrl: string, body: object = {}) {
  const answer = await admin.call('POST', '/webhooks', { url: receiverUrl, ...body });
  expect(answer.status, answer.text).toBe(201);
  return answer.json as { webhook: { id: string }; secret: string };
}

const deliveriesOf = async (webhookId: string, query = '') =>
  (await admin.call('GET', `/webhooks/${webhookId}/deliveries${query}`)).json;

test('each event arrives once, signed, with what it tells of', async () => {
  const receiver = await startReceiver({ status: 204 });
  const { webhook, secret } = await addWebhook(receiver.url);
  expect(secret).toMatch(/^whsec_/);
  expect((await admin.call('GET', '/webhooks')).text).not.toContain(secret);
  const [row] = await environment.sql`select secret from webhooks where id = ${webhook.id}`;
  expect(row!.secret).not.toContain(secret.slice(6));

  const answered = (await api.ask(question)).json;
  const declined = (await api.ask('Who painted the Mona Lisa?')).json;
  const path = `/v1/chat/turns/${answered.turnId}/feedback`;
  const liked = await api.call('POST', path, { rating: 'up', text: 'Quick!' });
  expect(liked.json).toEqual({ feedback: { rating: 'up', text: 'Quick!' } });
  await api.call('POST', path, { rating: 'up', text: 'Quick!' });
  const ready = await api.upload('# Returns\n\nYou can return a lamp within 30 days.', { source: 'test' });
  const failed = await api.upload('...');
  await api.ready(ready);

  const expected = [
    'conversation.started',
    'conversation.started',
    'document.failed',
    'document.ready',
    'feedback.received',
    'turn.answered',
    'turn.unanswered',
  ];
  await eventually(async () => (receiver.received.length >= expected.length ? true : undefined));
  expect(receiver.received.map(({ event }) => event.type).sort()).toEqual(expected);
  const dataOf = (type: string) => receiver.ofType(type)[0]!.event.data;
  expect(dataOf('turn.answered')).toMatchObject({
    turnId: answered.turnId,
    conversationId: answered.conversationId,
    message: question,
    reply: answered.reply,
    sources: answered.sources,
  });
  expect(dataOf('turn.unanswered')).toMatchObject({ turnId: declined.turnId, sources: [] });
  expect(dataOf('feedback.received')).toMatchObject({
    turnId: answered.turnId,
    rating: 'up',
    text: 'Quick!',
  });
  expect(dataOf('document.ready')).toMatchObject({
    documentId: ready,
    source: 'test',
    chunks: 1,
    error: null,
  });
  expect(dataOf('document.failed')).toMatchObject({ documentId: failed, error: { code: 'DOCUMENT_EMPTY' } });

  for (const call of receiver.received) {
    expect(receiver.verify(secret, call)).toEqual(call.event);
    // The same by hand, as the specification writes it.
    const signed = `${call.headers['webhook-id']}.${call.headers['webhook-timestamp']}.${call.body}`;
    const key = Buffer.from(secret.slice(6), 'base64');
    const signature = createHmac('sha256', key).update(signed).digest('base64');
    expect(call.headers['webhook-signature']).toBe(`v1,${signature}`);
  }
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(expected.length);
  await eventually(async () => {
    const { deliveries } = await deliveriesOf(webhook.id, '?status=delivered');
    return deliveries.length === expected.length ? true : undefined;
  });

  // Histories hold ids.
  const [{ id }] = (await deliveriesOf(webhook.id)).deliveries;
  const handle = environment.temporal.workflow.getHandle(`webhook/${id}`);
  expect(JSON.stringify(await handle.fetchHistory())).not.toMatch(/Norway|127\.0\.0\.1/);
  await admin.call('DELETE', `/webhooks/${webhook.id}`);
  receiver.close();
});

test('a receiver that fails is tried again; a delivery can be replayed', async () => {
  const receiver = await startReceiver(
    { status: 503, headers: { 'retry-after': '1' } },
    { status: 429, headers: { 'retry-after': '1' } },
    { status: 200 },
  );
  const { webhook } = await addWebhook(receiver.url, { events: ['turn.answered'] });
  await api.ask(question);
  const delivery = await eventually(async () => {
    const [first] = (await deliveriesOf(webhook.id)).deliveries;
    return first?.status === 'delivered' ? first : undefined;
  });
  expect(delivery).toMatchObject({
    attempts: 3,
    responseStatus: 200,
    error: null,
    eventType: 'turn.answered',
  });
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);

  const path = `/webhooks/${webhook.id}/deliveries/${delivery.id}`;
  const replayed = await admin.call('POST', `${path}/replay`);
  expect([replayed.status, replayed.json.delivery.status]).toEqual([202, 'pending']);
  await eventually(async () => (receiver.received.length === 4 ? true : undefined));
  expect(receiver.received[3]!.headers['webhook-id']).toBe(receiver.received[0]!.headers['webhook-id']);
  expect(receiver.received[3]!.body).toBe(receiver.received[0]!.body);
  expect((await admin.call('GET', path)).json.delivery.payload).toEqual(receiver.received[0]!.event);
  const first = await deliveriesOf(webhook.id, '?limit=1');
  expect(first).toMatchObject({ deliveries: [{ id: replayed.json.delivery.id }] });
  const second = await deliveriesOf(webhook.id, `?limit=1&before=${first.next}`);
  expect(second).toMatchObject({ deliveries: [{ id: delivery.id }] });
  await admin.call('DELETE', `/webhooks/${webhook.id}`);
  receiver.close();
});

test('a delivery whose workflow an operator terminates has failed, and says so', async () => {
  const receiver = await startReceiver({ status: 500 });
  const { webhook } = await addWebhook(receiver.url, { events: ['turn.answered'] });
  await api.ask(question);
  const delivery = await eventually(async () => {
    const [tried] = (await deliveriesOf(webhook.id)).deliveries;
    return tried?.attempts === 1 ? tried : undefined;
  });
  await environment.temporal.workflow.getHandle(`webhook/${delivery.id}`).terminate('test');
  await environment.sql`update webhook_deliveries set touched_at = touched_at - interval '10 minutes'
    where id = ${delivery.id}`;
  const ended = await eventually(async () => {
    const [now] = (await deliveriesOf(webhook.id)).deliveries;
    return now.status === 'failed' ? now : undefined;
  });
  expect(ended.error).toBe('An operator terminated the workflow. Replay the delivery.');
  receiver.close();
});

test('a receiver that is gone turns the webhook off; redirects and private addresses are not followed', async () => {
  const gone = await startReceiver({ status: 410 });
  const elsewhere = await startReceiver({ status: 200 });
  const moved = await startReceiver({ status: 307, headers: { location: elsewhere.url } });
  const hooks = {
    gone: (await addWebhook(gone.url, { events: ['turn.answered'] })).webhook.id,
    moved: (await addWebhook(moved.url, { events: ['turn.answered'] })).webhook.id,
    inside: (await addWebhook('http://10.0.0.1/hook', { events: ['turn.answered'] })).webhook.id,
  };
  await api.ask(question);
  const ended = (webhookId: string) =>
    eventually(async () => {
      const [delivery] = (await deliveriesOf(webhookId)).deliveries;
      return delivery?.status === 'failed' ? delivery : undefined;
    });
  expect(await ended(hooks.gone)).toMatchObject({ responseStatus: 410, attempts: 1 });
  expect((await ended(hooks.inside)).error).toMatch(/10\.0\.0\.1/);
  const { webhooks } = (await admin.call('GET', '/webhooks')).json;
  expect(webhooks.find(({ id }: { id: string }) => id === hooks.gone)).toMatchObject({
    enabled: false,
    disabledReason: expect.stringContaining('410'),
  });
  await eventually(async () => (moved.received.length > 0 ? true : undefined));
  expect(elsewhere.received).toEqual([]);

  // Turned on again it has no reason; turned off it gets nothing.
  const on = await admin.call('PATCH', `/webhooks/${hooks.gone}`, { enabled: true });
  expect(on.json.webhook).toMatchObject({ enabled: true, disabledReason: null });
  await admin.call('PATCH', `/webhooks/${hooks.gone}`, { enabled: false });
  const before = gone.received.length;
  await api.ask(question);
  expect(gone.received).toHaveLength(before);
  for (const id of Object.values(hooks)) await admin.call('DELETE', `/webhooks/${id}`);
  for (const receiver of [gone, elsewhere, moved]) receiver.close();
});

test('webhooks are for admins of their project', async () => {
  const { webhook } = await addWebhook('https://hooks.shop.example/', { enabled: false });
  expect((await api.call('GET', '/webhooks')).status).toBe(403);
  const other = await adminOf(await environment.createProject());
  for (const [method, path] of [
    ['PATCH', ''],
    ['DELETE', ''],
    ['POST', '/rotate-secret'],
    ['GET', '/deliveries'],
  ] as const) {
    const answer = await other.call(
      method,
      `/webhooks/${webhook.id}${path}`,
      method === 'PATCH' ? {} : undefined,
    );
    expect([answer.status, answer.json.code]).toEqual([404, 'WEBHOOK_NOT_FOUND']);
  }
  for (const body of [
    {},
    { url: 'ftp://hooks.shop.example' },
    { url: 'https://a.example', events: ['unheard.of'] },
  ]) {
    expect((await admin.call('POST', '/webhooks', body)).status).toBe(400);
  }
  const rotated = await admin.call('POST', `/webhooks/${webhook.id}/rotate-secret`);
  expect(rotated.json.secret).toMatch(/^whsec_/);
  expect((await admin.call('DELETE', `/webhooks/${webhook.id}`)).status).toBe(204);
});

test('a receiver that is away for three days has failed, and says so', { timeout: 120_000 }, async () => {
  const servers = inject('servers');
  const timeSkipping = await createTimeSkipping(servers);
  const receiver = await startReceiver('drop', { status: 500 });
  const other = await environment.createProject();
  const { stores, sql } = environment;
  const { webhook } = await stores.webhooks.create(other.id, {
    url: receiver.url,
    events: [],
    enabled: true,
  });
  await stores.turns.accept(other.id, { message: question, conversation: 'new' }, undefined);
  const { deliveries } = await stores.webhooks.deliveries(other.id, webhook.id, { limit: 10 });
  expect(deliveries).toMatchObject([{ eventType: 'conversation.started', status: 'pending' }]);
  const deliveryId = deliveries[0]!.id;
  await sql`delete from dispatches where project_id = ${other.id}`;

  const { activities, close } = wireActivities(environment, { elasticsearchUrl: servers.elasticsearchUrl });
  const worker = await createTestWorker({
    connection: timeSkipping.nativeConnection,
    taskQueue: 'webhooks',
    activities,
  });
  const outcome = await worker.runUntil(
    timeSkipping.client.workflow
      .execute('deliverWebhook', {
        taskQueue: 'webhooks',
        workflowId: `webhook/${deliveryId}`,
        args: [{ projectId: other.id, deliveryId }],
      })
      .catch((error: Error) => error),
  );
  expect(outcome).toBeInstanceOf(Error);
  // By its own events: once nothing runs, the server's clock jumps ahead.
  const handle = timeSkipping.client.workflow.getHandle(`webhook/${deliveryId}`);
  const times = (await handle.fetchHistory()).events!.map(({ eventTime }) => Number(eventTime!.seconds));
  const days = (times.at(-1)! - times[0]!) / 86_400;
  expect(days).toBeGreaterThan(2.5);
  expect(days).toBeLessThan(3.5);
  expect(await stores.webhooks.delivery(other.id, deliveryId)).toMatchObject({
    status: 'failed',
    responseStatus: 500,
    error: expect.stringMatching(/^Given up: .*500/),
  });
  expect(receiver.received.length).toBeGreaterThan(15);
  await Promise.all([close(), timeSkipping.teardown()]);
  receiver.close();
});
