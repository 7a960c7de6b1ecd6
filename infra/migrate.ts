// Prepares the servers: PostgreSQL's tables, Temporal's search attributes and retention, Elasticsearch's index.
// Can run again at any time; what is there stays.
import { readConfig, required, temporalOptions } from '../config.ts';
import { localEmbeddingSpace } from '../providers/local/embedder.ts';
import { createChunkIndex } from '../stores/elasticsearch/chunk-index.ts';
import { connectElasticsearch } from '../stores/elasticsearch/client.ts';
import { connectPostgres } from '../stores/postgres/client.ts';
import { migrate } from '../stores/postgres/migrate.ts';
import { setUpNamespace } from '../temporal/namespace.ts';

const config = readConfig();
const sql = connectPostgres(required(config, 'DATABASE_URL'), {
  poolSize: 1,
  applicationName: 'frontdesk-migrate',
});
const index = createChunkIndex(
  connectElasticsearch(required(config, 'ELASTICSEARCH_URL'), { apiKey: config.ELASTICSEARCH_API_KEY }),
  { prefix: config.ELASTICSEARCH_INDEX_PREFIX, space: localEmbeddingSpace },
);
try {
  const [applied] = await Promise.all([
    migrate(sql),
    setUpNamespace(temporalOptions(config), config.TEMPORAL_RETENTION_DAYS),
    index.ensure(),
  ]);
  console.log(applied.length > 0 ? `Applied ${applied.join(', ')}` : 'The database is up to date');
} finally {
  await sql.end();
}
