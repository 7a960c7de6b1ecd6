import { DefaultLogger, type NativeConnection, Worker } from '@temporalio/worker';
import type { Activities } from '../../activities/index.ts';
import { readConfig } from '../../config.ts';
import { dataConverter } from '../../temporal/connection.ts';
import { workflowBundle } from '../../worker/bundle.ts';

/** A worker in this process, with the real workflows and these activities. */
export async function createTestWorker(options: {
  connection: NativeConnection;
  namespace?: string;
  taskQueue: string;
  activities: Activities;
}): Promise<Worker> {
  return await Worker.create({
    ...options,
    workflowBundle: await workflowBundle(`${readConfig().FRONTDESK_HOME}/cache`, new DefaultLogger('ERROR')),
    dataConverter,
  });
}
