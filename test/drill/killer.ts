// Kills processes as planned, and waits each time until what was killed serves again.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning, type ProcessIdentity, signalGroup } from '../../infra/local/processes.ts';
import type { Random } from '../support/random.ts';
import { type Target, type TargetName, targetNames } from './stack.ts';

/** SIGKILL, or the signal that asks the process to stop: SIGTERM, and SIGINT for PostgreSQL (its fast shutdown). */
export type Manner = 'hard' | 'soft';

/** One or two kills, and the pause before them. */
export interface Round {
  pauseMs: number;
  kills: readonly { target: Target; manner: Manner; afterMs: number }[];
}

export interface Kill {
  kind: TargetName;
  manner: Manner;
  signal: NodeJS.Signals;
  at: number;
  /** When it served again. */
  backAt: number;
  /** Whether it was the only one of its round. */
  alone: boolean;
}

/** What is cheap to start again is killed more often. */
const weights: Record<TargetName, number> = {
  api: 5,
  worker: 6,
  postgres: 5,
  temporal: 5,
  elasticsearch: 3,
  launcher: 2,
};
/** Elasticsearch and the launcher need tens of seconds on a busy machine. */
const backLimitMs = 240_000;

/** As many kills as told, of any processes, one or two at a time. */
export function planLong(random: Random, targets: readonly Target[], kills: number): Round[] {
  const lots = targetNames.flatMap((kind) => Array<TargetName>(weights[kind]).fill(kind));
  const rounds: Round[] = [];
  for (let left = kills; left > 0; left -= rounds.at(-1)!.kills.length) {
    const chosen = new Set<Target>();
    const size = left > 1 && random.chance(0.35) ? 2 : 1;
    while (chosen.size < size) chosen.add(pickTarget(random, targets, random.pick(lots)));
    rounds.push(roundOf(random, [...chosen], () => (random.chance(0.65) ? 'hard' : 'soft'), 4_000));
  }
  return rounds;
}

/** Each kind once with SIGKILL and once softly, one and two at a time. */
export function planShort(random: Random, targets: readonly Target[]): Round[] {
  const kindsTwice = [random.shuffled(targetNames), random.shuffled(targetNames)] as const;
  return kindsTwice.flatMap((kinds, pass) => {
    const manner: Manner = pass === 0 ? 'hard' : 'soft';
    const [a, b, c, d, e, f] = kinds.map((kind) => pickTarget(random, targets, kind));
    const groups = [[a!], [b!, c!], [d!], [e!, f!]];
    return groups.map((group) => roundOf(random, group, () => manner, 1_000));
  });
}

function pickTarget(random: Random, targets: readonly Target[], kind: TargetName): Target {
  return random.pick(targets.filter((target) => target.kind === kind));
}

function roundOf(
  random: Random,
  targets: readonly Target[],
  manner: () => Manner,
  longestPauseMs: number,
): Round {
  // The second dies with the first, or while that is coming back.
  const kills = targets.map((target, n) => ({
    target,
    manner: manner(),
    afterMs: n === 0 ? 0 : random.between(0, 1_500),
  }));
  return { pauseMs: random.between(0, longestPauseMs), kills };
}

/** Rejects when something does not come back. */
export async function carryOut(
  rounds: readonly Round[],
  onRound: (kills: readonly Kill[]) => void,
): Promise<Kill[]> {
  const all: Kill[] = [];
  for (const { pauseMs, kills } of rounds) {
    await sleep(pauseMs);
    const done = await Promise.all(
      kills.map(async ({ target, manner, afterMs }) => {
        await sleep(afterMs);
        return { ...(await kill(target, manner)), alone: kills.length === 1 };
      }),
    );
    // One that was back may have gone again with the other: the launcher takes what it runs along.
    await Promise.all(kills.map(({ target }) => serving(target)));
    all.push(...done);
    onRound(done);
  }
  return all;
}

async function kill(target: Target, manner: Manner): Promise<Omit<Kill, 'alone'>> {
  const { record } = await eventuallyOf(target, () => recordOf(target));
  const at = Date.now();
  const signal = manner === 'hard' ? 'SIGKILL' : record.stopSignal;
  if (manner === 'hard') signalGroup(record.pid, signal);
  else process.kill(record.pid, signal);
  await serving(target, record);
  return { kind: target.kind, manner, signal, at, backAt: Date.now() };
}

/** Waits until the target serves, as another process than `before`. */
async function serving(target: Target, before?: ProcessIdentity): Promise<void> {
  await eventuallyOf(target, async () => {
    const now = recordOf(target);
    if (!now || (now.record.pid === before?.pid && now.record.startTime === before.startTime))
      return undefined;
    return (await target.ready(now.record.pid)) ? true : undefined;
  });
}

type RunRecord = ProcessIdentity & { stopSignal: NodeJS.Signals };

/** The running process of a target; undefined while it is being started again. */
function recordOf({ runFile }: Target): { record: RunRecord } | undefined {
  try {
    const record: RunRecord = JSON.parse(readFileSync(runFile, 'utf8'));
    return isRunning(record) ? { record } : undefined;
  } catch {
    return undefined;
  }
}

async function eventuallyOf<T>(
  target: Target,
  look: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const end = Date.now() + backLimitMs;
  for (let reason = 'no process'; ; await sleep(50)) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      reason = (error as Error).message;
    }
    if (Date.now() > end) throw new Error(`${target.kind} did not come back (${target.runFile}): ${reason}`);
  }
}
