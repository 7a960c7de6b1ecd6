// Leads: how long each step of the verification takes when nothing else happens, and a thousand visitors at once.
// Usage: node bench/leads.ts [--visitors 1000] [--idle 100]
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { newId } from '../stores/postgres/ids.ts';
import { createApiClient } from '../test/support/api-client.ts';
import { onFreshServers } from './support/environment.ts';
import { percentile, round } from './support/statistics.ts';

const { values } = parseArgs({
  options: {
    visitors: { type: 'string', default: '1000' },
    idle: { type: 'string', default: '100' },
  },
});
const steps = ['session', 'name', 'address', 'code'] as const;
/** Mails are read elsewhere: here every code is made this one. */
const code = '123456';

await onFreshServers('leads', async (environment) => {
  const limits = { codesPerIp: 10_000, codesPerProject: 100_000 };
  const project = await environment.createProject({ leads: limits });
  // The limits of calls are measured elsewhere.
  const unlimited = { RATE_LIMIT_MAX_REQUESTS: '1000000' };
  const [api] = await Promise.all([environment.startApi(unlimited), environment.startWorker()]);
  const client = createApiClient(api.url, project.key);
  let repeats = 0;

  async function call(path: string, body: object): Promise<{ sessionId: string; stage: string }> {
    for (;;) {
      const answer = await client.call('POST', path, body);
      if (answer.status === 200) return answer.json;
      if (answer.status !== 503) throw new Error(answer.text);
      repeats += 1;
      await setTimeout(Number(answer.headers.get('retry-after')) * 1_000);
    }
  }

  /** Goes all the way, and gives the milliseconds of each step. */
  async function visit(): Promise<Record<(typeof steps)[number], number>> {
    const timed = async <T>(work: Promise<T>): Promise<[T, number]> => {
      const began = performance.now();
      return [await work, performance.now() - began];
    };
    const [{ sessionId }, session] = await timed(call('/assistant/chat', {}));
    const [, name] = await timed(call('/assistant/chat', { sessionId, message: 'Mira Holm' }));
    const message = `${newId()}@visitors.example`;
    const [, address] = await timed(call('/assistant/chat', { sessionId, message }));
    await environment.sql`
      update lead_codes set hash = ${environment.stores.leadSteps.hashOf(sessionId, code)}
      where session_id = ${sessionId}`;
    const [last, codeTime] = await timed(call('/assistant/verify-otp', { sessionId, otp: code }));
    if (last.stage !== 'ready') throw new Error(`stage ${last.stage}`);
    return { session, name, address, code: codeTime };
  }

  for (let n = 0; n < 10; n += 1) await visit();
  const idle: Awaited<ReturnType<typeof visit>>[] = [];
  for (let n = 0; n < Number(values.idle); n += 1) idle.push(await visit());
  console.log('One visitor after another, milliseconds');
  console.table(
    Object.fromEntries(
      steps.map((step) => {
        const times = idle.map((visit) => visit[step]);
        return [step, { p50: round(percentile(times, 0.5)), p95: round(percentile(times, 0.95)) }];
      }),
    ),
  );

  repeats = 0;
  const began = performance.now();
  await Promise.all(Array.from({ length: Number(values.visitors) }, visit));
  const verified = performance.now() - began;
  for (;;) {
    const [row] = await environment.sql`select count(*)::int as n from mails where status <> 'sent'`;
    if (row!.n === 0) break;
    await setTimeout(100);
  }
  const [leads] = await environment.sql`select count(*)::int as n from leads`;
  console.log(
    `${values.visitors} visitors at once: all verified after ${round(verified / 1_000, 1)} s, all mails sent after ` +
      `${round((performance.now() - began) / 1_000, 1)} s; ${repeats} calls were repeated after a 503; ${leads!.n} leads`,
  );
});
