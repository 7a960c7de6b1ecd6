// Recognising a process again. A pid alone is not enough: the system gives the number to someone else later.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export type ProcessIdentity = {
  pid: number;
  /** When it started, in the system's own notation; only good for comparing. */
  startTime: string;
};

/** Who runs under this pid now; undefined where nobody does (a zombie counts as nobody). */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    if (process.platform !== 'linux') {
      const startTime = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
      return startTime ? { pid, startTime } : undefined;
    }
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may hold spaces and brackets itself, so count fields after the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    // Start times count from boot, so the boot is part of the identity.
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return { pid, startTime: `${boot}/${fields[19]}` };
  } catch {
    return undefined;
  }
}

/** True while exactly this process runs. */
export function isRunning(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startTime === identity.startTime;
}

/** The name of the program that runs under this pid; undefined where that cannot be told. */
export function programName(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    return execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .split('/')
      .at(-1);
  } catch {
    return undefined;
  }
}

/** Signals a whole process group; one that has gone (or whose number is another user's by now) is no error. */
export function signalGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

/**
 * Stops a process that leads its own group: the signal to the leader, then SIGKILL to the group when it has not
 * ended within the limit or has left children behind. Does nothing when another process has the pid by now.
 */
export async function stopProcess(
  identity: ProcessIdentity,
  options: { signal: NodeJS.Signals; limitMs: number },
): Promise<void> {
  if (!isRunning(identity)) return;
  process.kill(identity.pid, options.signal);
  const deadline = Date.now() + options.limitMs;
  while (isRunning(identity) && Date.now() < deadline) await sleep(25);
  signalGroup(identity.pid, 'SIGKILL');
  while (isRunning(identity)) await sleep(10);
}
