import { DefaultLogger, NativeConnection, Worker } from '@temporalio/worker';
import type { Activities } from '../../activities/index.ts';
import { readConfig } from '../../config.ts';
import { dataConverter } from '../../temporal/connection.ts';
import { workflowBundle } from '../../worker/bundle.ts';
import type { TestEnvironment } from './environment.ts';

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

/** One that runs, on the queue `test` of the environment's own namespace. Returns what stops it. */
export async function startTestWorker(
  { env }: TestEnvironment,
  activities: Activities,
): Promise<() => Promise<void>> {
  const connection = await NativeConnection.connect({ address: env.TEMPORAL_ADDRESS! });
  const worker = await createTestWorker({
    connection,
    namespace: env.TEMPORAL_NAMESPACE!,
    taskQueue: 'test',
    activities,
  });
  const running = worker.run();
  return async () => {
    worker.shutdown();
    await running;
    await connection.close();
  };
}
