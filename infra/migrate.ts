// Prepares the servers: PostgreSQL's tables, Temporal's search attributes, retention and schedules, Elasticsearch's index.
// Can run again at any time; what is there stays.
import { readConfig, required, temporalOptions } from '../config.ts';
import { localEmbeddingSpace } from '../providers/local/embedder.ts';
import { createChunkIndex } from '../stores/elasticsearch/chunk-index.ts';
import { connectElasticsearch } from '../stores/elasticsearch/client.ts';
import { connectPostgres } from '../stores/postgres/client.ts';
import { migrate } from '../stores/postgres/migrate.ts';
import { createTemporalClient } from '../temporal/connection.ts';
import { setUpNamespace } from '../temporal/namespace.ts';
import { setUpSchedules } from '../temporal/schedules.ts';

const config = readConfig();
const sql = connectPostgres(required(config, 'DATABASE_URL'), {
  poolSize: 1,
  applicationName: 'frontdesk-migrate',
});
const index = createChunkIndex(
  connectElasticsearch(required(config, 'ELASTICSEARCH_URL'), { apiKey: config.ELASTICSEARCH_API_KEY }),
  { prefix: config.ELASTICSEARCH_INDEX_PREFIX, space: localEmbeddingSpace },
);
const temporal = createTemporalClient(temporalOptions(config));
try {
  const [applied] = await Promise.all([
    migrate(sql),
    setUpNamespace(temporalOptions(config), config.TEMPORAL_RETENTION_DAYS).then(() =>
      setUpSchedules(temporal),
    ),
    index.ensure(),
  ]);
  console.log(applied.length > 0 ? `Applied ${applied.join(', ')}` : 'The database is up to date');
} finally {
  await Promise.all([sql.end(), temporal.connection.close()]);
}
