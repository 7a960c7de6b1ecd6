// The worker's health check: ends with 0 where Temporal knows this container as one that asks for work, on each of its
// queues. The worker itself listens on no port.
import { hostname } from 'node:os';
import { Connection } from '@temporalio/client';
import { optionalTsToMs } from '@temporalio/common/lib/time.js';
import { readConfig, temporalOptions } from '../../config.ts';
import { connectionOptions } from '../../temporal/connection.ts';

/** A living worker asks about once a minute. */
const alive = 90_000;

const config = readConfig();
const temporal = temporalOptions(config);
const connection = await Connection.connect({ ...connectionOptions(temporal), connectTimeout: 5_000 });
for (const name of config.WORKER_QUEUES) {
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace: temporal.namespace,
    taskQueue: { name },
  });
  const asks = pollers.some(
    ({ identity, lastAccessTime }) =>
      identity?.endsWith(`@${hostname()}`) && Date.now() - (optionalTsToMs(lastAccessTime) ?? 0) < alive,
  );
  if (!asks) {
    console.error(`this worker does not ask for the work of ${name}`);
    process.exitCode = 1;
  }
}
await connection.close();
