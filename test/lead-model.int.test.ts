// Every path through the verification of a lead: random calls to the real workflow with its real activities, alone,
// repeated, together, out of order and too late, compared with a model. Many sessions go side by side in real time,
// with short timers. MODEL_SEED and MODEL_SESSIONS give other and more paths.
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { VerificationRules } from '../domain/leads.ts';
import { eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import { type LeadDriver, startLead } from './support/lead-driver.ts';
import {
  type Call,
  firstWorld,
  isOver,
  type Span,
  together,
  waited,
  type World,
} from './support/lead-model.ts';
import { startTestWorker } from './support/test-worker.ts';
import { wireActivities } from './support/wiring.ts';

const seed = Number(process.env.MODEL_SEED ?? 20_261_121);
const sessions = Number(process.env.MODEL_SESSIONS ?? 60);
const rules: VerificationRules = { codeLife: 6_000, resendPause: 800, resends: 3, sessionLife: 10_000 };
/** Beyond the pause, the code's life and the session's. */
const waits = [300, 4_000, 9_300, 13_400];
const longestWait = 18_000;

let environment: TestEnvironment;
let projectId: string;
let close: () => Promise<void>;

beforeAll(async () => {
  const servers = inject('servers');
  environment = await createTestEnvironment(servers);
  const limits = { codesPerIp: 10_000, codesPerAddress: 100, codesPerProject: 100_000 };
  projectId = (await environment.createProject({ leads: limits })).id;
  const wired = wireActivities(environment, { elasticsearchUrl: servers.elasticsearchUrl });
  const stopWorker = await startTestWorker(environment, wired.activities);
  close = async () => {
    await stopWorker();
    await wired.close();
  };
});
afterAll(async () => {
  await close?.();
  await environment?.close();
});

/** What the session may be in, as far as can be known. */
interface Model {
  worlds: World[];
  /** Codes that were mailed, the newest last; of those that were made together only that. */
  codes: string[];
  sent: number;
  waited: number;
}

class Calls implements fc.AsyncCommand<Model, LeadDriver> {
  readonly calls: readonly Call[];
  constructor(calls: readonly Call[]) {
    this.calls = calls;
  }
  check = () => true;
  toString = () => (this.calls.length === 1 ? this.calls[0]! : `(${this.calls.join(' | ')})`);

  async run(model: Model, lead: LeadDriver): Promise<void> {
    const inputs = await Promise.all(this.calls.map((call) => lead.enter(...entryOf(call, model, lead))));
    const began = Date.now();
    const told = await Promise.all(inputs.map((input) => lead.tell(input)));
    const at: Span = [began, Date.now()];
    const answers = this.calls.map((call, n) => ({ call, answer: inWords(told[n]!) }));
    const before = model.worlds;
    model.worlds = together(before, answers, at, rules);
    expect(model.worlds, `${JSON.stringify(answers)} at ${at} in ${JSON.stringify(before)}`).not.toEqual([]);
    // The same update again, as a client that got no answer sends it: the same answer, and nothing happens.
    const again = inWords(await lead.tell(inputs[0]!));
    if (again !== 'gone') expect(again).toBe(answers[0]!.answer);
    const sent = answers.filter(({ answer }) => answer.endsWith('code_sent')).length;
    model.sent += sent;
    if (sent > 0) model.codes.push(await lead.code());
    await expectStage(model, lead);
  }
}

class Wait implements fc.AsyncCommand<Model, LeadDriver> {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  // What has ended stays ended: a call too late needs no waiting.
  check = ({ waited, worlds }: Model) =>
    waited + this.ms <= longestWait && !worlds.every((world) => isOver(world));
  toString = () => `wait ${this.ms} ms`;
  async run(model: Model, lead: LeadDriver): Promise<void> {
    await delay(this.ms);
    model.waited += this.ms;
    await expectStage(model, lead);
  }
}

function entryOf(call: Call, { codes }: Model, { sessionId }: LeadDriver): Parameters<LeadDriver['enter']> {
  switch (call) {
    case 'name':
      return ['name', 'Mira'];
    case 'badName':
      return ['name', '??'];
    case 'emailA':
    case 'emailB':
      return ['email', `${call}-${sessionId}@visitors.example`];
    case 'badEmail':
      return ['email', 'no address'];
    case 'right':
      return ['code', codes.at(-1) ?? 'none'];
    case 'old':
      return ['code', codes.at(-2) ?? 'none'];
    case 'wrong':
      return ['code', 'not digits'];
    case 'resend':
      return ['resend', ''];
  }
}

/** What comes after the last step gets its stage, or finds the workflow ended, as it happens. */
function inWords(result: Awaited<ReturnType<LeadDriver['tell']>>): string {
  if (result === 'gone') return 'gone';
  const after = isOver(result) && !/verified|code_wrong/.test(result.outcome);
  return after ? 'gone' : `${result.stage} ${result.outcome}`;
}

async function expectStage(model: Model, lead: LeadDriver): Promise<void> {
  const began = Date.now();
  const stage = await lead.stage();
  const possible = model.worlds.flatMap((world) => waited(world, [began, Date.now()], rules));
  expect(possible.map((world) => world.stage)).toContain(stage);
  if (stage === 'expired') model.worlds = possible.filter((world) => world.stage === 'expired');
}

async function play(commands: Iterable<fc.AsyncCommand<Model, LeadDriver>>): Promise<string> {
  const began = Date.now();
  const lead = await startLead(environment, environment.temporal, projectId, rules);
  // Its time begins with its first task.
  await eventually(async () => {
    const { events } = await lead.handle.fetchHistory();
    return events!.some(({ workflowTaskCompletedEventAttributes: done }) => done) ? true : undefined;
  });
  const model: Model = { worlds: [firstWorld([began, Date.now()])], codes: [], sent: 0, waited: 0 };
  await fc.asyncModelRun(() => ({ model, real: lead }), commands);
  const stage = await lead.stage();
  const [rows] = await environment.sql`
    select (select count(*)::int from lead_codes where session_id = ${lead.sessionId}) as codes,
      (select count(*)::int from lead_codes where session_id = ${lead.sessionId} and used_at is not null) as used,
      (select count(*)::int from leads where email like ${`%-${lead.sessionId}@visitors.example`}) as leads,
      (select count(*)::int from mails where recipient like ${`%-${lead.sessionId}@visitors.example`}) as mails`;
  const made = stage === 'ready' ? 1 : 0;
  expect(rows).toEqual({ codes: model.sent, mails: model.sent, used: made, leads: made });
  await lead.handle.terminate().catch(() => {});
  return stage;
}

test('every path through the stages: at random, repeated, together, out of order, late', async () => {
  const any = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.constantFrom<Call>('name', 'emailA', 'emailB', 'wrong', 'right', 'resend'),
    },
    { weight: 1, arbitrary: fc.constantFrom<Call>('badName', 'badEmail', 'old') },
  );
  const rarelyRight = fc.constantFrom<Call>('name', 'emailA', 'emailB', 'wrong', 'old', 'resend');
  const one = any.map((call) => new Calls([call]));
  const repeated = fc
    .tuple(rarelyRight, fc.integer({ min: 2, max: 4 }))
    .map(([call, n]) => new Calls(Array(n).fill(call)));
  const mixed = fc.array(any, { minLength: 2, maxLength: 3 }).map((several) => new Calls(several));
  const wait = fc.constantFrom(...waits).map((ms) => new Wait(ms));
  const steps = fc.array(fc.oneof(one, one, repeated, mixed, wait), { minLength: 8, maxLength: 16 });
  // Most begin on the way, where more can happen.
  const begun = fc.constantFrom<Call[]>([], ['name'], ['name', 'emailA'], ['name', 'emailA']);
  const path = fc
    .tuple(begun, steps)
    .map(([first, then]) => [...first.map((call) => new Calls([call])), ...then]);
  const paths = fc.sample(path, { numRuns: sessions, seed });
  const endings = await Promise.all(
    paths.map(async (path) => {
      try {
        return await play(path);
      } catch (error) {
        throw new Error(`seed ${seed}: ${path.join(', ')}: ${(error as Error).message}`, { cause: error });
      }
    }),
  );
  for (const stage of ['awaiting_otp', 'ready', 'expired', 'blocked']) expect(endings).toContain(stage);
}, 90_000);
