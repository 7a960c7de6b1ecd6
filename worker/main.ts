// The worker: workflows, activities and the sweeps. Run as many as you like.
import { flushCompileCache } from 'node:module';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createActivities } from '../activities/index.ts';
import { encryptionKeys, mailServer, readConfig, required, temporalOptions } from '../config.ts';
import { stickyQueue, turn, workerDrain, workerForce } from '../domain/deadlines.ts';
import type { TaskQueue } from '../domain/flows.ts';
import { createEncryption } from '../encryption.ts';
import { createLogger, temporalLogger } from '../logging.ts';
import { createSafeFetch } from '../outbound/safe-fetch.ts';
import { providersFrom } from '../providers/from-config.ts';
import { createLocalEmbedder } from '../providers/local/embedder.ts';
import { createMailTransport } from '../providers/mail/index.ts';
import { withQueryCache } from '../providers/query-cache.ts';
import { createRetriever } from '../retrieval/retriever.ts';
import { createSpaces } from '../retrieval/spaces.ts';
import { checkStart } from '../startup.ts';
import { connectElasticsearch } from '../stores/elasticsearch/client.ts';
import { connectPostgres } from '../stores/postgres/client.ts';
import { createStores } from '../stores/postgres/index.ts';
import { connectionOptions, createTemporalClient, dataConverter } from '../temporal/connection.ts';
import { createDispatcher } from '../temporal/dispatcher.ts';
import { createCrawlSchedules } from '../temporal/crawl-schedules.ts';
import { startSweeps } from '../temporal/sweep.ts';
import { tracingOf } from '../telemetry/load.ts';
import { createMetrics, serveMetrics } from '../telemetry/metrics.ts';
import { temporalMetrics } from '../telemetry/temporal-metrics.ts';
import { workflowBundle } from './bundle.ts';

const config = readConfig();
const logger = createLogger({ name: 'worker', level: config.LOG_LEVEL });
const workerLogger = temporalLogger(logger);
checkStart(config, logger);
const tracing = await tracingOf(config, 'frontdesk-worker');
const metrics = createMetrics('worker');
const sdkMetrics = config.METRICS_PORT === undefined ? undefined : await temporalMetrics();
Runtime.install({
  logger: workerLogger,
  shutdownSignals: [],
  ...(sdkMetrics
    ? { telemetryOptions: { metrics: { prometheus: { bindAddress: sdkMetrics.bindAddress } } } }
    : {}),
});

const temporal = temporalOptions(config);
const sql = connectPostgres(required(config, 'DATABASE_URL'), {
  poolSize: config.DATABASE_POOL_SIZE,
  applicationName: 'frontdesk-worker',
});
const stores = createStores(sql, createEncryption(encryptionKeys(config)));
const model = createLocalEmbedder({
  modelDir: config.embeddingModelDir,
  threads: config.EMBEDDING_THREADS,
});
const providers = providersFrom(config, withQueryCache(model));
const spaces = createSpaces({
  client: connectElasticsearch(required(config, 'ELASTICSEARCH_URL'), {
    apiKey: config.ELASTICSEARCH_API_KEY,
  }),
  prefix: config.ELASTICSEARCH_INDEX_PREFIX,
  providers,
  projects: stores.projects,
});
const client = createTemporalClient(temporal, tracing?.clientInterceptors);
const mailTransport = createMailTransport(mailServer(config));
const dispatcher = createDispatcher({ client, dispatches: stores.dispatches, logger });
const activities = createActivities({
  stores,
  spaces,
  retriever: createRetriever({ spaces, chunks: stores.chunks }),
  providers,
  dispatcher,
  mailTransport,
  safeFetch: createSafeFetch({ allowedRanges: config.OUTBOUND_ALLOWED_RANGES }),
  crawlSchedules: createCrawlSchedules(client),
  maxContentBytes: config.MAX_CONTENT_BYTES,
  logger,
  onTurn: metrics.turn,
});

/** Slots a queue has in one worker. Ingestion is bounded by the embedding threads anyway. */
const activitySlots: Record<TaskQueue, number> = { chat: 100, ingestion: 16 };

const [connection, bundle] = await Promise.all([
  connectWithPatience(),
  workflowBundle(`${config.FRONTDESK_HOME}/cache`, workerLogger, tracing?.workflowModules),
  model.ready(),
]);
const workers = await Promise.all(
  config.WORKER_QUEUES.map((taskQueue) =>
    Worker.create({
      connection,
      namespace: temporal.namespace,
      taskQueue,
      workflowBundle: bundle,
      activities,
      dataConverter,
      ...tracing?.worker,
      maxConcurrentActivityTaskExecutions: activitySlots[taskQueue],
      // A turn has two workflow tasks, and for the first of them, which is on no sticky queue, a visitor waits.
      nonStickyToStickyPollRatio: 0.5,
      // A cancelled activity learns it from a heartbeat: the SDK's own pauses would make stop and pause slow.
      maxHeartbeatThrottleInterval: turn.heartbeatEvery,
      stickyQueueScheduleToStartTimeout: stickyQueue,
      shutdownGraceTime: workerDrain,
      shutdownForceTime: workerDrain + workerForce,
    }),
  ),
);
metrics.dispatches(stores.dispatches.backlog);
const stopMetrics =
  sdkMetrics &&
  (await serveMetrics(metrics, { host: config.HOST, port: config.METRICS_PORT! }, sdkMetrics.read));
const stopSweeps = startSweeps({ stores, dispatcher, logger });

// A second signal changes nothing: draining has its own limit.
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    logger.info({ signal }, 'draining');
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  });
}

// For the next one: a process that is killed keeps nothing of what it compiled.
flushCompileCache();
logger.info({ queues: config.WORKER_QUEUES }, 'worker is running');
await Promise.all(workers.map((worker) => worker.run()));
await Promise.all([stopSweeps(), stopMetrics?.(), tracing?.close()]);
mailTransport.close();
await Promise.all([
  connection.close(),
  client.connection.close(),
  model.close(),
  providers.close(),
  sql.end({ timeout: 5 }),
]);
logger.info('worker has stopped');

/** Temporal may come up after the worker, or be away for a while: the worker waits for it. */
async function connectWithPatience(): Promise<NativeConnection> {
  for (;;) {
    try {
      return await NativeConnection.connect(connectionOptions(temporal));
    } catch (error) {
      logger.warn({ reason: (error as Error).message }, 'Temporal cannot be reached, trying again');
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
}
