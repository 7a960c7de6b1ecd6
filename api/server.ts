// The API: validates, records, starts workflows and streams answers. Stateless; run as many as you like.
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { createTokens } from '../auth/tokens.ts';
import {
  authSecrets,
  encryptionKeys,
  rateLimitSettings,
  readConfig,
  required,
  temporalNamespaceUrl,
  temporalOptions,
} from '../config.ts';
import { apiDrain, apiForce } from '../domain/deadlines.ts';
import { createEncryption } from '../encryption.ts';
import { createLogger } from '../logging.ts';
import { providersFrom } from '../providers/from-config.ts';
import { createLocalEmbedder, localEmbeddingSpace } from '../providers/local/embedder.ts';
import { createSafeFetch } from '../outbound/safe-fetch.ts';
import { withQueryCache } from '../providers/query-cache.ts';
import { createRetriever } from '../retrieval/retriever.ts';
import { createSpaces } from '../retrieval/spaces.ts';
import { checkStart } from '../startup.ts';
import { createChunkIndex } from '../stores/elasticsearch/chunk-index.ts';
import { connectElasticsearch } from '../stores/elasticsearch/client.ts';
import { connectPostgres } from '../stores/postgres/client.ts';
import { createFrameListener } from '../stores/postgres/frames.ts';
import { createStores } from '../stores/postgres/index.ts';
import { createTemporalClient } from '../temporal/connection.ts';
import { createCrawlOrders } from '../temporal/crawl-orders.ts';
import { createDispatcher } from '../temporal/dispatcher.ts';
import { createLeadFlow } from '../temporal/lead-flow.ts';
import { widgetFiles } from '../widget/build.ts';
import { createMetrics, serveMetrics } from '../telemetry/metrics.ts';
import { tracingOf } from '../telemetry/load.ts';
import { createApp } from './app.ts';

const config = readConfig();
const logger = createLogger({ name: 'api', level: config.LOG_LEVEL });
checkStart(config, logger);
const tracing = await tracingOf(config, 'frontdesk-api');
const metrics = config.METRICS_PORT === undefined ? undefined : createMetrics('api');

const sql = connectPostgres(required(config, 'DATABASE_URL'), {
  poolSize: config.DATABASE_POOL_SIZE,
  applicationName: 'frontdesk-api',
});
const stores = createStores(sql, createEncryption(encryptionKeys(config)));
const client = createTemporalClient(temporalOptions(config), tracing?.clientInterceptors);
const dispatcher = createDispatcher({ client, dispatches: stores.dispatches, logger });
const embedder = createLocalEmbedder({ modelDir: config.embeddingModelDir, threads: 1 });
const providers = providersFrom(config, withQueryCache(embedder));
const elasticsearch = connectElasticsearch(required(config, 'ELASTICSEARCH_URL'), {
  apiKey: config.ELASTICSEARCH_API_KEY,
});
const prefix = config.ELASTICSEARCH_INDEX_PREFIX;
const spaces = createSpaces({ client: elasticsearch, prefix, providers, projects: stores.projects });

const app = await createApp({
  stores,
  dispatcher,
  leadFlow: createLeadFlow({ client, dispatches: stores.dispatches }),
  tokens: createTokens(authSecrets(config)),
  retriever: createRetriever({ spaces, chunks: stores.chunks }),
  providers,
  orderCrawl: createCrawlOrders(client),
  frameListener: createFrameListener(sql, (error) => logger.warn({ err: error }, 'not listening for frames')),
  widget: await widgetFiles(join(config.FRONTDESK_HOME, 'cache')),
  safeFetch: createSafeFetch({ allowedRanges: config.OUTBOUND_ALLOWED_RANGES }),
  probes: {
    postgresql: () => stores.ping(),
    temporal: () => dispatcher.ping(),
    elasticsearch: () => createChunkIndex(elasticsearch, { prefix, space: localEmbeddingSpace }).ping(),
  },
  logger,
  metrics,
  tracing,
  settings: {
    providerHealth: config.NODE_ENV !== 'production',
    maxContentBytes: config.MAX_CONTENT_BYTES,
    trustProxy: config.TRUST_PROXY,
    appBaseUrl: config.APP_BASE_URL?.replace(/\/+$/, ''),
    defaultAllowedDomains: config.CORS_ORIGIN.filter((site) => site !== '*').map(hostOfSite),
    dashboardOrigins: config.FRONTEND_ORIGIN,
    demo:
      config.NODE_ENV === 'production'
        ? undefined
        : { keysFile: config.demoKeysFile, namespaceUrl: temporalNamespaceUrl(config) },
    rateLimits: rateLimitSettings(config),
    httpsOnly: config.NODE_ENV === 'production' && !config.ALLOW_PLAIN_HTTP,
  },
});
const stopMetrics =
  metrics && (await serveMetrics(metrics, { host: config.HOST, port: config.METRICS_PORT! }));
await app.listen({ host: config.HOST, port: config.PORT });
// For the next one: a process that is killed keeps nothing of what it compiled.
flushCompileCache();

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, async () => {
    logger.info({ signal }, 'stopping');
    let waitingFor = 'connections of clients';
    app.server.once('close', () => {
      waitingFor = 'what is written last';
    });
    // A stream may last as long as a turn. Its client comes back to another process: the turn goes on meanwhile.
    setTimeout(() => app.server.closeAllConnections(), apiDrain).unref();
    // Nothing that is still under way then is promised: what was accepted is recorded.
    setTimeout(() => {
      const resources = process.getActiveResourcesInfo();
      logger.error({ waitingFor, resources }, 'stopping took too long, ending with work under way');
      process.exit(1);
    }, apiDrain + apiForce).unref();
    await app.close();
    waitingFor = 'connections to the servers';
    await Promise.all([
      client.connection.close(),
      embedder.close(),
      providers.close(),
      sql.end({ timeout: 5 }),
      stopMetrics?.(),
      tracing?.close(),
    ]);
    waitingFor = 'nothing that is known';
  });
}

/** The allowlist names sites as origins (`https://shop.example`) or as hosts. */
function hostOfSite(site: string): string {
  return site
    .replace(/^https?:\/\//, '')
    .replace(/[:/].*$/, '')
    .toLowerCase();
}
