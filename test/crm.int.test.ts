import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { contactProperties, crmMapping } from '../domain/crm.ts';
import { newId } from '../stores/postgres/ids.ts';
import { newApiKey } from '../stores/postgres/keys.ts';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import { startHubSpot } from './support/hubspot-server.ts';
import { startTimeSkipping } from './support/time-skipping.ts';

let environment: TestEnvironment;
let hubSpot: Awaited<ReturnType<typeof startHubSpot>>;
let url: string;
let project: TestProject;
let admin: ReturnType<typeof createApiClient>;
const token = 'pat-test-0123456789';
const mapping = {
  firstName: 'firstname',
  lastName: 'lastname',
  'fields.phone': 'phone',
  status: 'lead_status',
  tags: 'lead_tags',
};
const fields = [
  { key: 'phone', label: 'Phone' },
  { key: 'shoe', label: 'Shoe size' },
];

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  hubSpot = await startHubSpot({ token });
  project = await environment.createProject({ leads: { fields } });
  const [api] = await Promise.all([
    environment.startApi(),
    environment.startWorker({ OUTBOUND_ALLOWED_RANGES: '127.0.0.1/32' }),
  ]);
  url = api.url;
  admin = await adminOf(project);
});
afterAll(async () => {
  await environment?.close();
  hubSpot?.close();
});

async function adminOf({ id }: TestProject) {
  const key = newApiKey('test');
  await environment.stores.keys.create(id, { key, kind: 'secret', name: 'admin', environment: 'test' });
  return createApiClient(url, key);
}

const connect = (body: object = {}, as = admin) =>
  as.call('PUT', '/crm', { crm: 'hubspot', token, baseUrl: hubSpot.url, mapping, ...body });

/** A lead as the last step of the verification makes it. */
async function addLead(name = 'Mira Holm', values: Record<string, string> = {}, projectId = project.id) {
  const id = newId();
  const email = `${id}@visitors.example`;
  await environment.sql`
    insert into leads (id, project_id, email, name, fields, language)
    values (${id}, ${projectId}, ${email}, ${name}, ${environment.sql.json(values)}, 'en')`;
  return { id, email };
}

const contactOf = async (leadId: string) =>
  (await admin.call('GET', '/crm/contacts?limit=500')).json.contacts.find(
    (contact: { leadId: string }) => contact.leadId === leadId,
  );
const ended = (leadId: string, status: 'synced' | 'failed') =>
  eventually(async () => {
    const contact = await contactOf(leadId);
    return contact?.status === status ? contact : undefined;
  });
const retry = (leadId: string, as = admin) => as.call('POST', `/crm/contacts/${leadId}/retry`);

test('a verified lead becomes a contact, and what changes of it does, too', async () => {
  expect((await connect()).json.crm).toMatchObject({ crm: 'hubspot', lastFour: '6789', onErasure: 'delete' });
  const visitor = createApiClient(url, project.key);
  const { sessionId } = (await visitor.call('POST', '/assistant/chat', {})).json;
  const email = `${newId()}@visitors.example`;
  await visitor.call('POST', '/assistant/chat', { sessionId, message: 'Mira van Holm' });
  await visitor.call('POST', '/assistant/chat', {
    sessionId,
    message: email,
    fields: { phone: '+1 555 0100' },
  });
  await environment.sql`
    update lead_codes set hash = ${environment.stores.leadSteps.hashOf(sessionId, '123456')}
    where session_id = ${sessionId}`;
  const verified = await visitor.call('POST', '/assistant/verify-otp', { sessionId, otp: '123456' });
  expect(verified.json.stage, verified.text).toBe('ready');
  const contact = await eventually(async () => hubSpot.contacts.get(email));
  expect(contact.properties).toEqual({
    email,
    firstname: 'Mira',
    lastname: 'van Holm',
    phone: '+1 555 0100',
    lead_status: 'new',
  });
  const [lead] = await environment.sql<{ id: string }[]>`select id from leads where email = ${email}`;
  expect(await ended(lead!.id, 'synced')).toMatchObject({ contactId: contact.id, attempts: 1, error: null });

  await admin.call('PATCH', `/leads/${lead!.id}`, { status: 'won', tags: ['vip', 'lamps'] });
  await eventually(async () =>
    hubSpot.contacts.get(email)!.properties.lead_status === 'won' ? true : undefined,
  );
  expect(hubSpot.contacts.get(email)).toMatchObject({
    id: contact.id,
    properties: { lead_tags: 'vip;lamps' },
  });

  // Nothing of the visitor, and no token, is in the history or in what is stored in the clear.
  const history = await environment.temporal.workflow.getHandle(`crm/${lead!.id}/1`).fetchHistory();
  const payloads = JSON.stringify(history, (_key, value) =>
    value?.type === 'Buffer' ? Buffer.from(value.data).toString() : value,
  );
  expect(payloads).not.toMatch(/Mira|visitors\.example|pat-test/);
  const [row] = await environment.sql`select token from crm_connections where project_id = ${project.id}`;
  expect(row!.token).not.toContain(token);
  expect((await admin.call('GET', '/crm')).text).not.toContain(token);
});

test('what passes is tried again: limits with their pause, conflicts, broken connections, lost answers', async () => {
  // As many leads as faults: each meets one.
  hubSpot.next(
    { status: 429, headers: { 'retry-after': '1' }, category: 'RATE_LIMITS' },
    { status: 409, category: 'CONFLICT' },
    'multi-status',
    'drop',
    // The contact is made: the second try changes the same one.
    'lose the answer',
  );
  const leads = await Promise.all(Array.from({ length: 5 }, () => addLead()));
  await Promise.all(leads.map(({ id }) => retry(id)));
  for (const { id, email } of leads) {
    const { contactId, attempts, error } = await ended(id, 'synced');
    expect([contactId, attempts, error]).toEqual([hubSpot.contacts.get(email)!.id, 2, null]);
  }
});

test('what does not pass fails with a reason that says nothing of the visitor, and can be sent again', async () => {
  const { id } = await addLead('Mira Holm', { phone: 'call me', shoe: '38' });
  await connect({ mapping: { ...mapping, 'fields.shoe': 'shoe_size' } });
  await retry(id);
  const failed = await ended(id, 'failed');
  expect(failed.error).toBe(
    'Given up: hubspot: refuses the contact (400): shoe_size: PROPERTY_DOESNT_EXIST, phone: INVALID_PHONE.',
  );
  const handle = environment.temporal.workflow.getHandle(`crm/${id}/1`);
  // It records that it has failed, and then ends.
  await expect(handle.result()).rejects.toThrow();
  const { contacts } = (await admin.call('GET', '/crm/contacts?status=failed')).json;
  expect(contacts.map(({ leadId }: { leadId: string }) => leadId)).toEqual([id]);

  await connect({ token: 'pat-revoked-token' });
  await retry(id);
  expect((await ended(id, 'failed')).error).toMatch(/refuses the token \(401\)/);
  await connect();
  await admin.call('PATCH', `/leads/${id}`, { fields: { phone: '+1 555 0101' } });
  expect(await ended(id, 'synced')).toMatchObject({ error: null });

  // An address inside, which this server does not call.
  await connect({ baseUrl: 'http://10.0.0.1' });
  await retry(id);
  expect((await ended(id, 'failed')).error).toMatch(/10\.0\.0\.1 is .*OUTBOUND_ALLOWED_RANGES/);
  await connect();

  // All that failed or were never sent, at once.
  const never = await addLead('Never Sent');
  const all = await admin.call('POST', '/crm/contacts', {});
  expect([all.status, all.json]).toEqual([202, { accepted: 2 }]);
  await Promise.all([ended(id, 'synced'), ended(never.id, 'synced')]);
  expect((await admin.call('GET', '/crm')).json.contacts).toMatchObject({ pending: 0, failed: 0 });
});

test('changes while a lead is on its way are sent by the same workflow', async () => {
  const { id, email } = await addLead();
  hubSpot.next({ status: 503 });
  await retry(id);
  await eventually(async () => ((await contactOf(id)).attempts === 1 ? true : undefined));
  for (let n = 1; n <= 10; n += 1)
    await environment.stores.leads.change(project.id, id, { name: `Name ${n}` });
  await ended(id, 'synced');
  expect(hubSpot.contacts.get(email)!.properties.lastname).toBe('10');
  const [row] = await environment.sql`select run, revision from contact_syncs where lead_id = ${id}`;
  expect(row).toEqual({ run: 1, revision: 11 });
});

test('is for admins of the project; bad input says what is wrong; without a CRM nothing is sent', async () => {
  expect((await createApiClient(url, project.key).call('GET', '/crm')).status).toBe(403);
  const other = await environment.createProject();
  const stranger = await adminOf(other);
  const { id } = await addLead();
  expect((await retry(id, stranger)).json.code).toBe('CRM_NOT_FOUND');
  await connect({}, stranger);
  expect((await retry(id, stranger)).json.code).toBe('LEAD_NOT_FOUND');
  expect((await stranger.call('GET', '/crm/contacts')).json.contacts).toEqual([]);
  for (const [body, says] of [
    [{ token: 'x' }, 'token'],
    [{ baseUrl: 'ftp://crm.example' }, 'baseUrl'],
    [{ mapping: { shoeSize: 'shoe_size' } }, 'mapping'],
    [{ mapping: { name: 'email' } }, 'mapping'],
    [{ mapping: { name: 'firstname', firstName: 'firstname' } }, 'mapping'],
    // The token that is there was given for another address.
    [{ token: undefined, baseUrl: 'https://elsewhere.example' }, 'token'],
  ] as const) {
    const refused = await connect(body);
    expect([refused.status, refused.text.includes(says)], refused.text).toEqual([400, true]);
  }
  expect((await connect({ token: undefined, onErasure: 'keep' })).json.crm.onErasure).toBe('keep');
  await connect();

  expect((await stranger.call('DELETE', '/crm')).status).toBe(204);
  expect((await stranger.call('DELETE', '/crm')).json.code).toBe('CRM_NOT_FOUND');
  const lead = await addLead('Not Sent', {}, other.id);
  await stranger.call('PATCH', `/leads/${lead.id}`, { status: 'won' });
  expect((await stranger.call('GET', '/crm')).json).toEqual({
    crm: null,
    contacts: { pending: 0, synced: 0, failed: 0 },
  });
});

test('a mapping leaves out what the lead does not have', () => {
  const lead = {
    email: 'li@visitors.example',
    name: '李明',
    fields: { company: 'Lamps', phone: '' },
    consent: null,
    language: 'zh',
    status: 'new' as const,
    assignee: null,
    tags: [],
    createdAt: new Date(0),
    verifiedAt: new Date(0),
  };
  const parsed = crmMapping.parse({
    firstName: 'firstname',
    lastName: 'lastname',
    'fields.company': 'company',
    'fields.phone': 'phone',
    consentAt: 'consent_at',
    verifiedAt: 'verified_at',
  });
  expect(contactProperties(lead, parsed)).toEqual({
    firstname: '李明',
    company: 'Lamps',
    verified_at: '1970-01-01T00:00:00.000Z',
  });
});

async function erase(leadId: string, as = admin) {
  const { erasure } = (await as.call('POST', `/leads/${leadId}/erase`)).json;
  return async () =>
    await eventually(async () => {
      const found = (await as.call('GET', `/erasures/${erasure.id}`)).json.erasure;
      return found.status === 'finished' ? found : undefined;
    }, 90_000);
}

describe('an erasure', () => {
  let waiting: Awaited<ReturnType<typeof addLead>>;
  let late: () => Promise<{ contact: unknown }>;

  test('begins while the lead waits for its next try, and is changed after that', async () => {
    waiting = await addLead('Zebulon Quill');
    hubSpot.next({ status: 503 });
    await retry(waiting.id);
    await eventually(async () => ((await contactOf(waiting.id)).attempts === 1 ? true : undefined));
    late = await erase(waiting.id);
    await environment.stores.leads.change(project.id, waiting.id, { name: 'Late Change' });
  });

  test('takes the contact with it, unless the project keeps it', async () => {
    const sent = await addLead('Zebulon Quill');
    await retry(sent.id);
    await ended(sent.id, 'synced');
    const keeping = await environment.createProject();
    const keeper = await adminOf(keeping);
    await connect({ onErasure: 'keep' }, keeper);
    const kept = await addLead('Customer', {}, keeping.id);
    await retry(kept.id, keeper);
    // One that still runs is waited for by the erasure.
    await eventually(async () => {
      const { contacts } = (await keeper.call('GET', '/crm')).json;
      return contacts.synced === 1 ? true : undefined;
    });
    const never = await addLead('Never Sent');
    const receipts = await Promise.all([
      erase(sent.id).then((receipt) => receipt()),
      erase(kept.id, keeper).then((receipt) => receipt()),
      erase(never.id).then((receipt) => receipt()),
    ]);
    expect(receipts.map(({ contact }) => contact)).toEqual([
      { outcome: 'deleted', reason: null },
      { outcome: 'kept', reason: 'The project keeps contacts of the erased.' },
      { outcome: 'never_sent', reason: null },
    ]);
    expect([sent, kept].map(({ email }) => hubSpot.contacts.has(email))).toEqual([false, true]);
    const history = environment.temporal.workflow.getHandle(`crm/${sent.id}/1`).describe();
    await expect(history).rejects.toThrow(/not found/i);
  }, 120_000);

  test('is not overtaken by what was on its way', async () => {
    expect((await late()).contact).toEqual({ outcome: 'not_found', reason: null });
    // Deleted by an address that it does not have, HubSpot would block the address.
    expect([hubSpot.contacts.has(waiting.email), [...hubSpot.blocked]]).toEqual([false, []]);
  }, 120_000);
});

test('a CRM that is down for a day gets the lead when it is back; one that is away for days is left', async () => {
  const skipping = await startTimeSkipping(environment, inject('servers'));
  /** Ends, in skipped time; then how many days it took. */
  const send = async (leadId: string) => {
    await environment.sql`
      insert into contact_syncs (lead_id, project_id) values (${leadId}, ${project.id})`;
    const handle = await skipping.temporal.client.workflow.start('syncContact', {
      taskQueue: 'test',
      workflowId: `crm/${leadId}/1`,
      args: [{ projectId: project.id, leadId, run: 1 }],
    });
    await handle.result().catch(() => {});
    const times = (await handle.fetchHistory()).events!.map(({ eventTime }) => Number(eventTime!.seconds));
    return (times.at(-1)! - times[0]!) / 86_400;
  };
  try {
    const lead = await addLead();
    hubSpot.next(...Array.from({ length: 38 }, () => ({ status: 503 })));
    expect(await send(lead.id)).toBeGreaterThan(1);
    expect(await contactOf(lead.id)).toMatchObject({ status: 'synced', error: null, attempts: 39 });
    expect(hubSpot.contacts.has(lead.email)).toBe(true);

    const lost = await addLead();
    hubSpot.always('drop');
    expect(await send(lost.id)).toBeGreaterThan(2.5);
    expect((await contactOf(lost.id)).error).toMatch(/^Given up: .*cannot be reached/);
  } finally {
    hubSpot.always(undefined);
    await skipping.close();
  }
}, 120_000);
