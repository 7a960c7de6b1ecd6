// Runs child processes: waits until each is ready, restarts what dies, stops them, and recognises at the next start
// what a killed launcher left behind.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { User } from './folders.ts';
import { identify, type ProcessIdentity, signalGroup, stopProcess } from './processes.ts';

export type ProcessPlan = {
  /** Names the log and the run file. */
  name: string;
  command: string;
  args: string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  user?: User | undefined;
  /** Recorded for people and scripts. */
  ports?: Record<string, number>;
  /** Runs before each start, restarts included. */
  beforeStart?: () => void;
  /** True once it serves. Asked again and again; an error counts as "not yet" and is told when time runs out. */
  ready: (pid: number) => Promise<boolean>;
  startLimitMs: number;
  stopSignal: NodeJS.Signals;
  /** After this long it is killed. */
  stopLimitMs: number;
};

export type Supervised = {
  readonly name: string;
  readonly logFile: string;
  /** Of the running process; undefined while it is being restarted. */
  readonly pid: number | undefined;
  /** Signals the process; SIGKILL goes to its children as well. It comes back by itself. */
  kill(signal: NodeJS.Signals): void;
  /** Resolves when the process that replaced the one last killed is ready; at once where it already is. */
  restarted(): Promise<void>;
  /** Ends it for good: its signal, then SIGKILL after its limit. */
  stop(): Promise<void>;
};

export type Supervisor = {
  /** Starts a process and resolves when it is ready. Throws with the end of its log when it is not in time. */
  start(plan: ProcessPlan): Promise<Supervised>;
  /** Stops what an earlier launcher, killed since, has left running under this folder. */
  stopLeftovers(): Promise<void>;
  /** Stops everything, the last started first: each waits for those that were started after it. */
  stop(): Promise<void>;
  /** SIGKILL to everything, without waiting. For the way out of the process. */
  killNow(): void;
};

type RunFile = ProcessIdentity & { name: string; stopSignal: NodeJS.Signals; stopLimitMs: number };

const maxLogBytes = 20 * 1024 * 1024;
const maxBackoffMs = 5_000;

/** Keeps logs in `<folder>/logs` and run files ({name, pid, startTime, ports…}) in `<folder>/run`. */
export function createSupervisor(folder: string, onProgress: (line: string) => void): Supervisor {
  const runFolder = join(folder, 'run');
  const logFolder = join(folder, 'logs');
  for (const path of [runFolder, logFolder]) mkdirSync(path, { recursive: true });
  const all: { handle: Supervised; killNow: () => void }[] = [];

  let stopped = false;

  async function start(plan: ProcessPlan): Promise<Supervised> {
    // Its planning may have taken until after everything else was stopped.
    if (stopped) throw new Error(`${plan.name} is not started: everything is being stopped`);
    const supervised = supervise(plan, { runFolder, logFolder, onProgress });
    all.push(supervised);
    await supervised.started;
    return supervised.handle;
  }

  async function stopLeftovers(): Promise<void> {
    const files = readdirSync(runFolder).filter((name) => name.endsWith('.json') && name !== 'launcher.json');
    await Promise.all(
      files.map(async (name) => {
        const file = join(runFolder, name);
        const left = readRunFile(file);
        if (!left) return;
        if (identify(left.pid)?.startTime === left.startTime) {
          onProgress(`${left.name}: stopping what an earlier start left behind (pid ${left.pid})`);
          await stopProcess(left, { signal: left.stopSignal, limitMs: left.stopLimitMs });
        }
        rmSync(file, { force: true });
      }),
    );
  }

  return {
    start,
    stopLeftovers,
    async stop() {
      stopped = true;
      for (const { handle } of [...all].reverse()) await handle.stop();
    },
    killNow() {
      stopped = true;
      for (const { killNow } of all) killNow();
    },
  };
}

function supervise(
  plan: ProcessPlan,
  context: { runFolder: string; logFolder: string; onProgress: (line: string) => void },
): { handle: Supervised; started: Promise<void>; killNow: () => void } {
  const { name } = plan;
  const runFile = join(context.runFolder, `${name}.json`);
  const logFile = join(context.logFolder, `${name}.log`);
  if (fileSize(logFile) > maxLogBytes) rmSync(logFile);
  let child: ChildProcess | undefined;
  let stopping = false;
  // Each start is one generation; comparing them tells "ready again" from "not yet dead".
  let generation = 0;
  let readyGeneration = 0;
  let killedGeneration = 0;
  let waiting: (() => void)[] = [];

  function launch(): ChildProcess {
    plan.beforeStart?.();
    const log = openSync(logFile, 'a');
    generation += 1;
    // A group of its own: Ctrl-C in the terminal reaches the launcher only, which then stops everything in order.
    const launched = spawn(plan.command, plan.args, {
      cwd: plan.cwd,
      env: plan.env,
      detached: true,
      stdio: ['ignore', log, log],
      ...plan.user,
    });
    closeSync(log);
    child = launched;
    if (launched.pid !== undefined) {
      const record = { name, ...identify(launched.pid), ...pick(plan, 'ports', 'stopSignal', 'stopLimitMs') };
      writeFileSync(runFile, JSON.stringify(record, null, 2));
    }
    launched.once('exit', () => {
      // What it started itself must not outlive it (Elasticsearch's launcher starts a second Java).
      if (launched.pid !== undefined) signalGroup(launched.pid, 'SIGKILL');
    });
    return launched;
  }

  async function untilReady(launched: ChildProcess, logStart: number): Promise<void> {
    const mine = generation;
    let failed: string | undefined;
    launched.once('error', (error) => {
      failed = `cannot be started: ${error.message}`;
    });
    launched.once('exit', (code, signal) => {
      failed = `ended while starting (${signal ?? `exit code ${code}`})`;
    });
    const deadline = Date.now() + plan.startLimitMs;
    let lastError = '';
    for (let wait = 20; failed === undefined; wait = Math.min(wait * 1.5, 250)) {
      await sleep(wait);
      if (failed !== undefined || launched.pid === undefined) continue;
      const ready = await plan.ready(launched.pid).catch((error) => {
        lastError = `: ${error.message}`;
        return false;
      });
      if (ready && failed === undefined) {
        readyGeneration = mine;
        for (const resolve of waiting) resolve();
        waiting = [];
        return;
      }
      if (Date.now() > deadline) failed ??= `was not ready after ${plan.startLimitMs / 1000} s${lastError}`;
    }
    if (launched.pid !== undefined) signalGroup(launched.pid, 'SIGKILL');
    throw new Error(`${name} ${failed}\nThe end of ${logFile}:\n${tail(logFile, logStart)}`);
  }

  async function keepRunning(first: ChildProcess): Promise<void> {
    let launched = first;
    for (let backoffMs = 100; ; backoffMs = Math.min(backoffMs * 2, maxBackoffMs)) {
      const how = await ended(launched);
      if (stopping) return;
      if (readyGeneration === generation) backoffMs = 100;
      context.onProgress(`${name}: ended (${how}), starting it again. Log: ${logFile}`);
      await sleep(backoffMs);
      if (stopping) return;
      const since = Date.now();
      launched = launch();
      await untilReady(launched, fileSize(logFile)).then(
        () => context.onProgress(`${name}: back after ${((Date.now() - since) / 1000).toFixed(1)} s`),
        (error: Error) => !stopping && context.onProgress(error.message.split('\n')[0] as string),
      );
    }
  }

  async function firstStart(): Promise<void> {
    const logStart = fileSize(logFile);
    const launched = launch();
    await untilReady(launched, logStart);
    void keepRunning(launched);
  }

  const handle: Supervised = {
    name,
    logFile,
    get pid() {
      return child && child.exitCode === null && child.signalCode === null ? child.pid : undefined;
    },
    kill(signal) {
      killedGeneration = generation;
      if (child?.pid === undefined) return;
      if (signal === 'SIGKILL') signalGroup(child.pid, signal);
      else child.kill(signal);
    },
    async restarted() {
      while (readyGeneration <= killedGeneration) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    async stop() {
      stopping = true;
      const identity = child?.pid === undefined ? undefined : identify(child.pid);
      // One that is still starting has nothing to finish, and may not listen to signals yet.
      const limitMs = readyGeneration === generation ? plan.stopLimitMs : Math.min(plan.stopLimitMs, 1_500);
      if (identity) await stopProcess(identity, { signal: plan.stopSignal, limitMs });
      rmSync(runFile, { force: true });
    },
  };
  return {
    handle,
    started: firstStart(),
    killNow() {
      stopping = true;
      if (child?.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
      rmSync(runFile, { force: true });
    },
  };
}

/** How it ended, in words; also for one that had ended before this was called. */
function ended(child: ChildProcess): Promise<string> {
  const words = () => child.signalCode ?? `exit code ${child.exitCode}`;
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
    return Promise.resolve(words());
  }
  return new Promise((resolve) => child.once('exit', () => resolve(words())));
}

function readRunFile(file: string): RunFile | undefined {
  try {
    const record = JSON.parse(readFileSync(file, 'utf8'));
    return record.stopSignal ? record : undefined;
  } catch {
    return undefined;
  }
}

function fileSize(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** The last lines that were written to the log after byte `from`. */
function tail(file: string, from: number, lines = 25): string {
  const text = readFileSync(file).subarray(from).toString('utf8').trimEnd();
  return text ? text.split('\n').slice(-lines).join('\n') : '(nothing)';
}

function pick<T, K extends keyof T>(value: T, ...keys: K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, value[key]])) as Pick<T, K>;
}
