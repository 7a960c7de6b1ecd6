// The Temporal development server with its Web UI, on SQLite.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import type { ProcessPlan } from './supervisor.ts';

export const searchAttributes = ['projectId', 'conversationId', 'documentId', 'leadId', 'sourceId'] as const;

/**
 * Without the first three the server ignores fairness keys, and one project's bulk upload delays all others.
 * Each partition of a queue is fair by itself only, so have one: enough for one machine.
 * The last: by default the one shard here looks for new tasks 20 times a second at most, and a visitor who asks soon after
 * another waits some 40 ms for that.
 */
const dynamicConfig = {
  'matching.useNewMatcher': true,
  'matching.enableFairness': true,
  'matching.enableMigration': true,
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
  'history.transferProcessorMaxPollRPS': 1_000,
};

/**
 * Plans a Temporal server with namespace `default`. Its histories are in `<data>/temporal/temporal.db`, or only in
 * memory with `inMemory`.
 */
export function planTemporal(options: {
  program: string;
  data: string;
  port: number;
  uiPort: number;
  inMemory: boolean;
}): { plan: ProcessPlan; address: string; uiUrl: string } {
  const folder = join(options.data, 'temporal');
  mkdirSync(folder, { recursive: true });
  const address = `127.0.0.1:${options.port}`;
  const args = ['server', 'start-dev', '--ip', '127.0.0.1', '--log-level', 'warn', '--ui-disable-news-fetch'];
  args.push('--port', String(options.port), '--ui-port', String(options.uiPort));
  if (!options.inMemory) {
    args.push('-f', join(folder, 'temporal.db'));
    // Half the latency of SQLite's defaults. Survives SIGKILL; a power cut may lose the last moments.
    args.push('--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=normal');
  }
  for (const name of searchAttributes) args.push('--search-attribute', `${name}=Keyword`);
  for (const [key, value] of Object.entries(dynamicConfig))
    args.push('--dynamic-config-value', `${key}=${value}`);
  const plan: ProcessPlan = {
    name: 'temporal',
    command: options.program,
    args,
    cwd: folder,
    // Not the caller's environment: its TEMPORAL_… variables are for clients. HOME is where it looks for settings. Go's
    // collector may let the heap grow fivefold: a fifth less processor time for a turn (bench/turns), for some 100 MB.
    env: { PATH: process.env.PATH, HOME: folder, GOGC: '400' },
    ports: { temporal: options.port, temporalUi: options.uiPort },
    ready: () => isReady(address),
    startLimitMs: 60_000,
    stopSignal: 'SIGTERM',
    stopLimitMs: 15_000,
  };
  return { plan, address, uiUrl: `http://127.0.0.1:${options.uiPort}` };
}

/** The port opens before the namespace exists, so ask for that. */
async function isReady(address: string): Promise<boolean> {
  const connection = await Connection.connect({ address, connectTimeout: 1_000 });
  try {
    await connection.workflowService.describeNamespace({ namespace: 'default' });
    return true;
  } finally {
    await connection.close();
  }
}
