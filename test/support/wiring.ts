import { DefaultLogger, Runtime } from '@temporalio/worker';
import { readConfig } from '../../config.ts';
import { type Activities, createActivities } from '../../activities/index.ts';
import { createLogger } from '../../logging.ts';
import { providersFrom } from '../../providers/from-config.ts';
import { parseRange } from '../../outbound/addresses.ts';
import { createSafeFetch } from '../../outbound/safe-fetch.ts';
import { createLocalEmbedder } from '../../providers/local/embedder.ts';
import { createMailTransport } from '../../providers/mail/index.ts';
import { createRetriever } from '../../retrieval/retriever.ts';
import { createSpaces } from '../../retrieval/spaces.ts';
import { connectElasticsearch } from '../../stores/elasticsearch/client.ts';
import { createDispatcher } from '../../temporal/dispatcher.ts';
import { createCrawlSchedules } from '../../temporal/crawl-schedules.ts';
import type { TestEnvironment } from './environment.ts';

// Failing tries are what these tests are about; they need no log.
Runtime.install({ logger: new DefaultLogger('ERROR', () => {}) });

/** The real activities in this process, with addresses of Elasticsearch and of a mail server of the test's choice. */
export function wireActivities(
  environment: TestEnvironment,
  options: { elasticsearchUrl: string; smtpUrl?: string; env?: Record<string, string> },
): { activities: Activities; dispatcher: ReturnType<typeof createDispatcher>; close: () => Promise<void> } {
  const { stores, temporal } = environment;
  const logger = createLogger({ name: 'test', level: 'silent' });
  const embeddings = createLocalEmbedder({ modelDir: readConfig().embeddingModelDir, threads: 1 });
  const providers = providersFrom(readConfig({ ...environment.env, ...options.env }), embeddings);
  const spaces = createSpaces({
    client: connectElasticsearch(options.elasticsearchUrl, {}),
    prefix: environment.indexPrefix,
    providers,
    projects: stores.projects,
  });
  const dispatcher = createDispatcher({ client: temporal, dispatches: stores.dispatches, logger });
  const { smtpUrl } = options;
  const mailTransport = createMailTransport(
    smtpUrl ? { kind: 'smtp', url: smtpUrl, from: 'desk@shop.example' } : undefined,
  );
  const activities = createActivities({
    stores,
    spaces,
    retriever: createRetriever({ spaces, chunks: stores.chunks }),
    providers,
    dispatcher,
    mailTransport,
    crawlSchedules: createCrawlSchedules(temporal),
    safeFetch: createSafeFetch({ allowedRanges: [parseRange('127.0.0.1')] }),
    maxContentBytes: readConfig().MAX_CONTENT_BYTES,
    logger,
    onTurn: () => {},
  });
  return {
    activities,
    dispatcher,
    async close() {
      mailTransport.close();
      await Promise.all([embeddings.close(), providers.close()]);
    },
  };
}
