import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface RunningProcess {
  pid: number;
  kill(signal: NodeJS.Signals): void;
  /** Resolves with the exit code, or the signal's name. */
  exited: Promise<number | string>;
  /** What it has printed so far. */
  output(): string;
}

const root = new URL('../../', import.meta.url).pathname;

/** Starts an entry point as a process of its own and waits until its output contains `until`. */
export async function startProcess(
  entry: string,
  env: Record<string, string>,
  until: string,
): Promise<RunningProcess> {
  const child = spawn(process.execPath, [entry], {
    cwd: root,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'test', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const seen = new Promise<void>((resolve, reject) => {
    const read = (part: Buffer) => {
      output += part.toString();
      if (output.includes(until)) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', () =>
      reject(new Error(`${entry} ended before it was ready:\n${output.slice(-4_000)}`)),
    );
  });
  const exited = endOf(child);
  await seen;
  return { pid: child.pid!, kill: (signal) => child.kill(signal), exited, output: () => output };
}

async function endOf(child: ChildProcess): Promise<number | string> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  return code ?? signal!;
}
