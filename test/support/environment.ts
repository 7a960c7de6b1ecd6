import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { Client, Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import type { ProvidedContext } from 'vitest';
import { encryptionKeys, readConfig } from '../../config.ts';
import type { KeyKind } from '../../domain/auth.ts';
import { createEncryption } from '../../encryption.ts';
import { compileCache } from '../../infra/local/apps.ts';
import { connectElasticsearch } from '../../stores/elasticsearch/client.ts';
import { connectPostgres, type Sql } from '../../stores/postgres/client.ts';
import { newId } from '../../stores/postgres/ids.ts';
import { createStores, type Stores } from '../../stores/postgres/index.ts';
import { newApiKey } from '../../stores/postgres/keys.ts';
import { migrate } from '../../stores/postgres/migrate.ts';
import { setUpNamespace } from '../../temporal/namespace.ts';
import { noRateLimits } from './no-limits.ts';
import { type RunningProcess, startProcess } from './processes.ts';

export interface TestProject {
  id: string;
  /** An ordinary key. */
  key: string;
  widgetKey: string;
}

const templateDatabase = 'migrated';

/** A migrated database that each test file copies: the migrations take longer than many a file. */
export async function createTemplateDatabase(databaseUrl: string): Promise<void> {
  const admin = connectPostgres(databaseUrl, { poolSize: 1, applicationName: 'test' });
  await admin.unsafe(`create database ${templateDatabase}`);
  await admin.end();
  const sql = connectPostgres(databaseNamed(templateDatabase, databaseUrl), {
    poolSize: 1,
    applicationName: 'test',
  });
  await migrate(sql);
  await sql.end();
}

function databaseNamed(name: string, url: string): string {
  const named = new URL(url);
  named.pathname = `/${name}`;
  return named.href;
}

/** A database, a Temporal namespace and an index prefix of a test file's own, on the servers that all files share. */
export async function createTestEnvironment(servers: ProvidedContext['servers']) {
  const name = `test_${randomBytes(5).toString('hex')}`;
  const admin = connectPostgres(servers.databaseUrl, { poolSize: 1, applicationName: 'test' });
  const [template] = await admin`select from pg_database where datname = ${templateDatabase}`;
  await admin.unsafe(`create database ${name} ${template ? `template ${templateDatabase}` : ''}`);
  const databaseUrl = databaseNamed(name, servers.databaseUrl);
  const sql: Sql = connectPostgres(databaseUrl, { poolSize: 5, applicationName: 'test' });
  await migrate(sql);
  const encryption = createEncryption(encryptionKeys(readConfig({})));
  const stores: Stores = createStores(sql, encryption);

  const connection = await Connection.connect({ address: servers.temporalAddress });
  await registerNamespace(connection, name);
  const temporal = new Client({ connection, namespace: name });

  const prefix = name.replace('_', '-');
  const { FRONTDESK_HOME: home } = readConfig();
  const env: Record<string, string> = {
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: servers.temporalAddress,
    TEMPORAL_NAMESPACE: name,
    ELASTICSEARCH_URL: servers.elasticsearchUrl,
    ELASTICSEARCH_INDEX_PREFIX: prefix,
    SMTP_URL: servers.smtpUrl,
    FRONTDESK_HOME: home,
    ...compileCache(home),
    LOG_LEVEL: 'info',
    ...noRateLimits,
  };
  await setUpNamespace(
    { address: servers.temporalAddress, namespace: name, tls: false, apiKey: undefined },
    1,
  );
  const processes = new Set<RunningProcess>();

  return {
    env,
    sql,
    stores,
    encryption,
    temporal,
    elasticsearch: connectElasticsearch(servers.elasticsearchUrl, {}),
    indexPrefix: prefix,
    config: readConfig(env),

    async createProject(settings: object = {}): Promise<TestProject> {
      const project = { id: newId(), key: newApiKey('test'), widgetKey: newApiKey('test') };
      await stores.projects.create({ id: project.id, name: 'Test', settings });
      const create = (key: string, kind: KeyKind) =>
        stores.keys.create(project.id, { key, kind, name: kind, environment: 'test' });
      await create(project.key, 'ordinary');
      await create(project.widgetKey, 'publishable');
      return project;
    },

    async startWorker(extra: Record<string, string> = {}): Promise<RunningProcess> {
      const worker = await startProcess('worker/main.ts', { ...env, ...extra }, 'worker is running');
      processes.add(worker);
      return worker;
    },

    /** An API process on a free port. */
    async startApi(extra: Record<string, string> = {}): Promise<RunningProcess & { url: string }> {
      const port = await freePort();
      const api = await startProcess(
        'api/server.ts',
        { ...env, PORT: String(port), ...extra },
        'Server listening',
      );
      processes.add(api);
      return { ...api, url: `http://127.0.0.1:${port}` };
    },

    /** Stops the processes that still run and drops the database. */
    async close(): Promise<void> {
      for (const running of processes) running.kill('SIGKILL');
      await Promise.all([...processes].map((running) => running.exited));
      await connection.close();
      await sql.end();
      await admin.unsafe(`drop database ${name} with (force)`);
      await admin.end();
    },
  };
}

export type TestEnvironment = Awaited<ReturnType<typeof createTestEnvironment>>;

async function registerNamespace(connection: Connection, namespace: string): Promise<void> {
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: msToTs(86_400_000),
  });
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
