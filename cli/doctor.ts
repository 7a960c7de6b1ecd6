// `frontdesk doctor`: looks at everything that Frontdesk stands on, and says how to mend what it finds.
import { Connection } from '@temporalio/client';
import { createTransport } from 'nodemailer';
import { type Config, mailServer, temporalOptions } from '../config.ts';
import { localEmbeddingSpace } from '../providers/local/embedder.ts';
import { createChunkIndex } from '../stores/elasticsearch/chunk-index.ts';
import { connectElasticsearch } from '../stores/elasticsearch/client.ts';
import { connectPostgres } from '../stores/postgres/client.ts';
import { createDiagnosticsStore } from '../stores/postgres/diagnostics.ts';
import { listMigrations } from '../stores/postgres/migrate.ts';
import { connectionOptions } from '../temporal/connection.ts';
import { checkElasticsearch } from './checks/elasticsearch.ts';
import { checkIndexContents } from './checks/index-contents.ts';
import { checkConfiguration, checkModel, checkNode, checkSmtp } from './checks/local.ts';
import {
  checkDispatches,
  checkMails,
  checkMigrations,
  checkOverdueTurns,
  checkPostgres,
  checkSilentDocuments,
  checkUndelivered,
} from './checks/postgres.ts';
import { checkNamespace, checkTaskQueue, checkTemporal } from './checks/temporal.ts';
import { fail, type Finding, reasonOf } from './finding.ts';

const connectTimeout = 5_000;
/** For one call; comparing the index takes as long as it takes. */
const callTimeout = 10_000;

/** Every check, in an order that reads well. Never rejects: what cannot be asked is a finding too. */
export async function diagnose(config: Config, options: { deep: boolean }): Promise<Finding[]> {
  const [postgres, temporal, elasticsearch, smtp] = await Promise.all([
    onPostgres(config),
    onTemporal(config),
    onElasticsearch(config, options),
    attempt('SMTP', 'Start the mail server, or correct SMTP_URL', () =>
      checkSmtp(mailServer(config), async (url) => {
        const timeouts = { connectionTimeout: connectTimeout, greetingTimeout: connectTimeout };
        const transport = createTransport({ url, ...timeouts, socketTimeout: connectTimeout });
        await transport.verify().finally(() => transport.close());
      }),
    ),
  ]);
  return [
    ...checkConfiguration(config),
    checkNode(process.versions.node),
    checkModel(config.embeddingModelDir),
    ...postgres,
    ...temporal,
    ...elasticsearch,
    ...smtp,
  ];
}

async function onPostgres(config: Config): Promise<Finding[]> {
  if (!config.DATABASE_URL) return [];
  const sql = connect(config.DATABASE_URL);
  const diagnostics = createDiagnosticsStore(sql);
  try {
    const server = await attempt('PostgreSQL', 'Start PostgreSQL, or correct DATABASE_URL', () =>
      checkPostgres(diagnostics),
    );
    if (!server.every(isReached)) return server;
    const remedy = "Look at PostgreSQL's log";
    const shipped = await listMigrations();
    const migrations = await attempt('Migrations', remedy, () => checkMigrations(diagnostics, shipped));
    const rows = [
      attempt('Dispatches', remedy, () => checkDispatches(diagnostics)),
      attempt('Overdue turns', remedy, () => checkOverdueTurns(diagnostics)),
      attempt('Mails', remedy, () => checkMails(diagnostics)),
      attempt('Webhooks and CRM', remedy, () => checkUndelivered(diagnostics)),
      attempt('Documents', remedy, () => checkSilentDocuments(diagnostics)),
    ];
    return [...server, ...migrations, ...(await Promise.all(rows)).flat()];
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function onTemporal(config: Config): Promise<Finding[]> {
  if (!config.TEMPORAL_ADDRESS) return [];
  const options = temporalOptions(config);
  const { namespace } = options;
  let connection: Connection;
  try {
    connection = await Connection.connect({ ...connectionOptions(options), connectTimeout });
  } catch (error) {
    return [fail('Temporal', reasonOf(error), 'Start Temporal, or correct TEMPORAL_ADDRESS')];
  }
  const ask = (check: string, remedy: string, call: () => Promise<Finding | Finding[]>) =>
    attempt(check, remedy, () => connection.withDeadline(Date.now() + callTimeout, call));
  try {
    const server = await ask('Temporal', "Look at Temporal's log", () => checkTemporal(connection));
    const space = await ask(
      `Namespace ${namespace}`,
      `Create it: \`temporal operator namespace create -n ${namespace}\``,
      () => checkNamespace(connection, namespace, config.TEMPORAL_RETENTION_DAYS),
    );
    const queues = (['chat', 'ingestion'] as const).map((queue) =>
      ask(`Task queue ${queue}`, "Look at Temporal's log", () =>
        checkTaskQueue(connection, namespace, queue, Date.now()),
      ),
    );
    return [...server, ...space, ...(await Promise.all(queues)).flat()];
  } finally {
    await connection.close();
  }
}

async function onElasticsearch(config: Config, { deep }: { deep: boolean }): Promise<Finding[]> {
  if (!config.ELASTICSEARCH_URL) return [];
  const client = connectElasticsearch(config.ELASTICSEARCH_URL, { apiKey: config.ELASTICSEARCH_API_KEY });
  const index = createChunkIndex(client, {
    prefix: config.ELASTICSEARCH_INDEX_PREFIX,
    space: localEmbeddingSpace,
  });
  try {
    let usable = false;
    const server = await attempt(
      'Elasticsearch',
      'Start Elasticsearch, or correct ELASTICSEARCH_URL',
      async () => {
        const checked = await checkElasticsearch(index);
        usable = checked.usable;
        return checked.findings;
      },
    );
    if (!usable || !config.DATABASE_URL) return server;
    const sql = connect(config.DATABASE_URL);
    try {
      const remedy = 'Both PostgreSQL and Elasticsearch are needed to compare them';
      const contents = await attempt('Index contents', remedy, async () => {
        const findings: Finding[] = [];
        for (const space of await createDiagnosticsStore(sql).spaces()) {
          const one = createChunkIndex(client, { prefix: config.ELASTICSEARCH_INDEX_PREFIX, space });
          // All but the bundled model's are made when a project first uses them.
          if (space.model !== localEmbeddingSpace.model) await one.ensure();
          const options = { deep, settleMs: 2_000 };
          const found = await checkIndexContents(createDiagnosticsStore(sql, space), one, options);
          findings.push(...found);
        }
        return findings;
      });
      return [...server, ...contents];
    } finally {
      await sql.end({ timeout: 1 });
    }
  } finally {
    await client.close();
  }
}

const connect = (url: string) => connectPostgres(url, { poolSize: 3, applicationName: 'frontdesk-doctor' });

const isReached = ({ severity }: Finding) => severity !== 'fail';

/** A check that throws is a finding: what it could not reach, and why. */
async function attempt(
  check: string,
  remedy: string,
  look: () => Promise<Finding | Finding[]>,
): Promise<Finding[]> {
  try {
    return [await look()].flat();
  } catch (error) {
    return [fail(check, reasonOf(error), remedy)];
  }
}

const labels = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const;

/** One line a finding. */
export const line = ({ severity, check, detail, remedy }: Finding): string =>
  [`${labels[severity]}  ${check}`, detail, remedy].filter(Boolean).join(' — ');
