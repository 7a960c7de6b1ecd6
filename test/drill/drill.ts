import type { Caller } from './client.ts';
import { runContact } from './contacts.ts';
import { runCrawler } from './crawlers.ts';
import { runBulkIntegrator, runIntegrator } from './integrators.ts';
import { carryOut, type Kill, planLong, planShort } from './killer.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { createRandom } from '../support/random.ts';
import { type DrillStack, startDrillStack } from './stack.ts';
import { runVisitor } from './visitors.ts';
import { judge, untilQuiet, type Verdict } from './verdict.ts';

export interface DrillOptions {
  seed: number;
  /** How many processes are killed, or 'short': each kind twice. */
  kills: number | 'short';
  visitors: number;
  integrators: number;
  /** Documents of one call, and how many such calls at most. */
  bulk: { size: number; batches: number };
  /** Visitors who leave their contact, one after the other each. */
  contacts: number;
  crawlers: number;
  /** Where the logs of all processes are kept; what was there is removed. */
  logFolder: string;
  say: (line: string) => void;
  /** Looks at the stack once it is judged, before it is stopped. */
  afterwards?: (stack: DrillStack, ledger: Ledger) => Promise<void>;
}

export interface DrillResult {
  kills: Kill[];
  ledger: Ledger;
  verdict: Verdict;
}

/** After the last kill everything has to be finished within this. Longer than a turn's deadline. */
const quietLimitMs = 180_000;

/** Kills processes of a real stack under load, and judges what became of everything that was accepted. */
export async function runDrill(name: string, options: DrillOptions): Promise<DrillResult> {
  const { seed, say } = options;
  const startedAt = Date.now();
  const tell = (line: string) =>
    say(`[${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)} s] ${line}`);
  const stack = await startDrillStack(name, tell);
  const stopClients = new AbortController();
  try {
    const random = createRandom(seed);
    const ledger = createLedger();
    const plan =
      options.kills === 'short'
        ? planShort(random.fork(), stack.targets)
        : planLong(random.fork(), stack.targets, options.kills);
    const total = plan.reduce((sum, round) => sum + round.kills.length, 0);
    tell(`Everything runs. Seed ${seed}: ${total} kills in ${plan.length} rounds`);

    const caller = (): Caller => ({ ...stack, ledger, random: random.fork() });
    const clients = [
      ...Array.from({ length: options.visitors }, () => runVisitor(caller(), stopClients.signal)),
      ...Array.from({ length: options.integrators }, (_, n) =>
        runIntegrator(caller(), `i${n}`, stopClients.signal),
      ),
      runBulkIntegrator(caller(), options.bulk, stopClients.signal),
      ...Array.from({ length: options.contacts }, (_, n) =>
        runContact({ ...caller(), mailbox: stack.mailbox }, `c${n}`, stopClients.signal),
      ),
      ...Array.from({ length: options.crawlers }, () => runCrawler(caller(), stopClients.signal)),
    ];
    let done = 0;
    const kills = await carryOut(plan, (killed) => {
      done += killed.length;
      tell(`${done}/${total} ${progressOf(killed, ledger)}`);
    });
    tell('The last kill is over; waiting until everything is finished');
    stopClients.abort();
    await Promise.all(clients);
    const verdict = await judge(stack, ledger, await untilQuiet(stack, ledger, quietLimitMs));
    tell('Judged');
    await options.afterwards?.(stack, ledger);
    return { kills, ledger, verdict };
  } finally {
    stopClients.abort();
    stack.keepLogs(options.logFolder);
    await stack.stop();
  }
}

function progressOf(killed: readonly Kill[], ledger: Ledger): string {
  const what = killed.map(({ kind, signal, at, backAt }) => {
    return `${kind} ${signal}, back after ${((backAt - at) / 1000).toFixed(1)} s`;
  });
  const waiting = ledger.questions.filter(
    ({ endedAt, repeated }) => repeated && endedAt === undefined,
  ).length;
  const { questions, documents, contacts, sites } = ledger;
  return (
    `${what.join(' + ')} | ${questions.length} questions (${waiting} waiting), ${documents.length} documents, ` +
    `${contacts.length} contacts, ${sites.length} sites`
  );
}
