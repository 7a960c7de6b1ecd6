import type { Connection } from '@temporalio/client';
import { optionalTsToMs } from '@temporalio/common/lib/time.js';
import type { TaskQueue } from '../../domain/flows.ts';
import { searchAttributes } from '../../temporal/search-attributes.ts';
import { count, duration, fail, type Finding, ok, reasonOf, warn } from '../finding.ts';

/** Numbers of Temporal's API: TASK_QUEUE_TYPE_… */
const queueTypes = { workflow: 1, activity: 2 } as const;
/** Temporal remembers a dead worker for minutes; a living one asks for work about once a minute. */
const pollerAlive = 90_000;
/** Seconds for which work may wait in a queue: a visitor's, and bulk work. */
const patience: Record<TaskQueue, number> = { chat: 10, ingestion: 600 };

export async function checkTemporal(connection: Connection): Promise<Finding> {
  const { serverVersion } = await connection.workflowService.getSystemInfo({});
  return ok('Temporal', `version ${serverVersion}`);
}

export async function checkNamespace(
  connection: Connection,
  namespace: string,
  retentionDays: number,
): Promise<Finding[]> {
  const check = `Namespace ${namespace}`;
  const remedy = 'Run `npm run migrate`; on Temporal Cloud set it in the namespace';
  const described = await connection.workflowService.describeNamespace({ namespace });
  const days = (optionalTsToMs(described.config?.workflowExecutionRetentionTtl) ?? 0) / 86_400_000;
  const kept = `keeps closed workflows for ${count(days, 'day')}`;
  const retention =
    days >= retentionDays ? ok(check, kept) : warn(check, `${kept}, not ${retentionDays}`, remedy);
  return [retention, await checkSearchAttributes(connection, namespace, remedy)];
}

async function checkSearchAttributes(
  connection: Connection,
  namespace: string,
  remedy: string,
): Promise<Finding> {
  const check = 'Search attributes';
  const names = Object.keys(searchAttributes);
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = names.filter((name) => !(name in customAttributes));
    if (missing.length === 0) return ok(check, names.join(', '));
    // Without them no workflow starts: Temporal refuses unknown attributes.
    return fail(check, `not registered: ${missing.join(', ')}`, remedy);
  } catch (error) {
    return warn(
      check,
      `could not be listed: ${reasonOf(error)}`,
      `Look whether these exist: ${names.join(', ')}`,
    );
  }
}

/** Whether a worker asks for the queue's work, and how much is waiting. */
export async function checkTaskQueue(
  connection: Connection,
  namespace: string,
  queue: TaskQueue,
  now: number,
): Promise<Finding> {
  const check = `Task queue ${queue}`;
  const described = await Promise.all(
    Object.values(queueTypes).map((taskQueueType) =>
      connection.workflowService.describeTaskQueue({
        namespace,
        taskQueue: { name: queue },
        taskQueueType,
        reportStats: true,
      }),
    ),
  );
  const alive = described.map(({ pollers }) =>
    pollers.filter((poller) => now - (optionalTsToMs(poller.lastAccessTime) ?? 0) < pollerAlive),
  );
  const backlog = described.reduce((sum, { stats }) => sum + Number(stats?.approximateBacklogCount ?? 0), 0);
  const age = Math.max(
    ...described.map(({ stats }) => (optionalTsToMs(stats?.approximateBacklogAge) ?? 0) / 1000),
  );
  const workers = new Set(alive.flat().map(({ identity }) => identity)).size;
  const data = { workers, backlog, oldestSeconds: age };
  const waiting = backlog === 0 ? 'nothing waits' : `${count(backlog, 'task')} waiting for ${duration(age)}`;
  if (alive.some((pollers) => pollers.length === 0)) {
    return fail(
      check,
      `no worker asks for its work; ${waiting}`,
      `Start a worker (\`npm run worker\`) whose WORKER_QUEUES holds ${queue}`,
      { data },
    );
  }
  const detail = `${count(workers, 'worker')}, ${waiting}`;
  if (age <= patience[queue]) return ok(check, detail, { data });
  return warn(check, detail, 'Run more workers for this queue', { data });
}
