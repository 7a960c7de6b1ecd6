import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import type { TestServers } from './servers.ts';
import type { TestEnvironment } from './environment.ts';
import { dataConverter } from '../../temporal/connection.ts';
import { wireActivities } from './wiring.ts';

/** INDEXED_VALUE_TYPE_KEYWORD in Temporal's API. */
const keyword = 2;

/** A worker with the real workflows and activities on Temporal's time-skipping server. */
export async function startTimeSkipping(
  environment: TestEnvironment,
  servers: TestServers,
  env: Record<string, string> = {},
) {
  const temporal = await TestWorkflowEnvironment.createTimeSkipping(
    servers.timeSkippingServer
      ? { server: { executable: { type: 'existing-path', path: servers.timeSkippingServer } } }
      : {},
  );
  await temporal.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: { leadId: keyword },
  });
  const wired = wireActivities(environment, { elasticsearchUrl: servers.elasticsearchUrl, env });
  const worker = await Worker.create({
    connection: temporal.nativeConnection,
    taskQueue: 'test',
    workflowBundle: await bundleWorkflowCode({
      workflowsPath: new URL('../../workflows/index.ts', import.meta.url).pathname,
      logger: new DefaultLogger('ERROR'),
    }),
    activities: wired.activities,
    dataConverter,
  });
  const running = worker.run();
  return {
    temporal,
    async close(): Promise<void> {
      worker.shutdown();
      await running;
      await wired.close();
      await temporal.teardown();
    },
  };
}
