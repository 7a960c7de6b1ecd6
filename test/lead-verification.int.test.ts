import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { leadSettings, rulesOf } from '../domain/leads.ts';
import { newId } from '../stores/postgres/ids.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import { type LeadDriver, startLead } from './support/lead-driver.ts';
import { startTimeSkipping } from './support/time-skipping.ts';

// The workflow with its real activities, in skipped time. Every path through it: lead-model.int.test.ts.

let environment: TestEnvironment;
let skipping: Awaited<ReturnType<typeof startTimeSkipping>>;
let projectId: string;
const rules = rulesOf(leadSettings.parse({}));

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  skipping = await startTimeSkipping(environment, inject('servers'));
  const limits = { codesPerIp: 10_000, codesPerAddress: 100, codesPerProject: 100_000 };
  projectId = (await environment.createProject({ leads: limits })).id;
});
afterAll(async () => {
  await skipping?.close();
  await environment?.close();
});

const start = () => startLead(environment, skipping.temporal.client, projectId, rules);
const say = async (lead: LeadDriver, kind: Parameters<LeadDriver['enter']>[0], text: string) =>
  await lead.tell(await lead.enter(kind, text));

test('a code expires; another one can be asked for after a pause, three times', async () => {
  const lead = await start();
  await say(lead, 'name', 'Mira');
  expect(await say(lead, 'email', `${newId()}@visitors.example`)).toMatchObject({ outcome: 'code_sent' });
  expect(await say(lead, 'resend', '')).toMatchObject({
    outcome: 'resend_too_soon',
    retryAfterSeconds: expect.closeTo(60, -1),
  });
  const code = await lead.code();
  await skipping.temporal.sleep(rules.codeLife + 1_000);
  expect(await say(lead, 'code', code)).toEqual({ stage: 'awaiting_otp', outcome: 'code_expired' });
  for (let n = 1; n <= rules.resends; n += 1) {
    expect(await say(lead, 'resend', '')).toMatchObject({ outcome: 'code_sent' });
    await skipping.temporal.sleep(rules.resendPause + 1_000);
  }
  expect(await say(lead, 'resend', '')).toMatchObject({ outcome: 'resend_too_often' });
  expect(await say(lead, 'code', await lead.code())).toEqual({ stage: 'ready', outcome: 'verified' });
  expect(await lead.handle.result()).toEqual({ stage: 'ready' });
});

test('a visitor whose verification the workflow never learned of is ready, and is answered', async () => {
  const { leadSessions, leadSteps } = environment.stores;
  const lead = await start();
  await leadSessions.keepQuestion(projectId, lead.sessionId, 'What does a lamp cost?');
  await say(lead, 'name', 'Mira');
  await say(lead, 'email', `${newId()}@visitors.example`);
  const { id } = await lead.enter('code', await lead.code());
  await leadSteps.checkCode(projectId, lead.sessionId, id, await leadSessions.settings(projectId));
  expect(await lead.handle.result()).toEqual({ stage: 'ready' });
  const [kept] = await leadSessions.keptQuestions(projectId, lead.sessionId);
  expect(kept).toMatchObject({ turnId: expect.any(String) });
});

test('a session in which nobody says anything expires, and its timers have readable summaries', async () => {
  const lead = await start();
  await skipping.temporal.sleep(rules.sessionLife - 60_000);
  await say(lead, 'name', 'Mira');
  await skipping.temporal.sleep(rules.sessionLife - 60_000);
  expect(await lead.stage()).toBe('awaiting_email');
  await skipping.temporal.sleep(120_000);
  expect(await lead.handle.result()).toEqual({ stage: 'expired' });
  expect(await lead.stage()).toBe('expired');
  expect(await say(lead, 'email', 'mira@visitors.example')).toBe('gone');
  const { events } = await lead.handle.fetchHistory();
  const summaries = events!.flatMap(({ userMetadata }) =>
    userMetadata?.summary?.data ? [JSON.parse(Buffer.from(userMetadata.summary.data).toString())] : [],
  );
  expect(summaries).toContain('until the visitor is taken to have left');
});
