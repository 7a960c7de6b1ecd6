import { TestWorkflowEnvironment } from '@temporalio/testing';
import type { TestServers } from './servers.ts';
import type { TestEnvironment } from './environment.ts';
import { createTestWorker } from './test-worker.ts';
import { wireActivities } from './wiring.ts';

/** INDEXED_VALUE_TYPE_KEYWORD in Temporal's API. */
const keyword = 2;

/** Temporal's server that skips time while nothing runs. */
export async function createTimeSkipping(servers: TestServers): Promise<TestWorkflowEnvironment> {
  const temporal = await TestWorkflowEnvironment.createTimeSkipping(
    servers.timeSkippingServer
      ? { server: { executable: { type: 'existing-path', path: servers.timeSkippingServer } } }
      : {},
  );
  await temporal.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: { leadId: keyword },
  });
  return temporal;
}

/** A worker with the real workflows and activities on Temporal's time-skipping server. */
export async function startTimeSkipping(
  environment: TestEnvironment,
  servers: TestServers,
  env: Record<string, string> = {},
) {
  const temporal = await createTimeSkipping(servers);
  const wired = wireActivities(environment, { elasticsearchUrl: servers.elasticsearchUrl, env });
  const worker = await createTestWorker({
    connection: temporal.nativeConnection,
    taskQueue: 'test',
    activities: wired.activities,
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
