// Frontdesk's own processes: the worker and the API, which are supervised, and the steps that run once.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Connection } from '@temporalio/client';
import { type Config, readConfig, temporalOptions } from '../../config.ts';
import { workerDrain } from '../../domain/deadlines.ts';
import { connectionOptions } from '../../temporal/connection.ts';
import type { ProcessPlan } from './supervisor.ts';

const root = join(import.meta.dirname, '../..');

/** Where Node.js keeps compiled code: with it the API and the worker start in four fifths of the time. */
export const compileCache = (home: string) => ({ NODE_COMPILE_CACHE: join(home, 'cache/node') });

/** Plans the worker, ready when Temporal sees it ask for work. It drains when told to stop. */
export function planWorker(env: NodeJS.ProcessEnv): ProcessPlan {
  const config = readConfig(env);
  return {
    ...app('worker', 'worker/main.ts', env),
    ready: (pid) => isPolling(config, pid),
    stopLimitMs: workerDrain + 10_000,
  };
}

/** A worker's identity begins with its pid, and Temporal remembers dead workers for minutes. */
async function isPolling(config: Config, pid: number): Promise<boolean> {
  const temporal = temporalOptions(config);
  const connection = await Connection.connect({ ...connectionOptions(temporal), connectTimeout: 2_000 });
  try {
    const { pollers } = await connection.workflowService.describeTaskQueue({
      namespace: temporal.namespace,
      taskQueue: { name: config.WORKER_QUEUES[0] ?? null },
    });
    return pollers.some(({ identity }) => identity?.startsWith(`${pid}@`));
  } finally {
    await connection.close();
  }
}

/** Plans the API, ready when `GET <url>/ready` answers 200. */
export function planApi(env: NodeJS.ProcessEnv, url: string): ProcessPlan {
  return {
    ...app('api', 'api/server.ts', env),
    ports: { api: Number(env.PORT) },
    async ready() {
      const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(3_000) });
      const body = await response.text();
      if (!response.ok) throw new Error(`GET /ready answers ${response.status}: ${body.slice(0, 300)}`);
      return true;
    },
    stopLimitMs: 20_000,
  };
}

function app(
  name: string,
  script: string,
  env: NodeJS.ProcessEnv,
): Omit<ProcessPlan, 'ready' | 'stopLimitMs'> {
  return {
    name,
    command: process.execPath,
    args: [join(root, script)],
    cwd: root,
    env,
    startLimitMs: 60_000,
    stopSignal: 'SIGTERM',
  };
}

/**
 * Runs a script of this repository to its end, telling each line that it prints.
 * Throws an Error with the beginning of its standard error when it fails; `signal` ends it.
 */
export async function runStep(
  script: string,
  env: NodeJS.ProcessEnv,
  options: { onLine: (line: string) => void; signal: AbortSignal },
): Promise<void> {
  const child = spawn(process.execPath, [join(root, script)], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: options.signal,
  });
  const errors: string[] = [];
  createInterface(child.stdout).on('line', options.onLine);
  createInterface(child.stderr).on('line', (line) => errors.push(line));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`${script} failed (exit code ${code}):\n${errors.slice(0, 60).join('\n')}`);
}
