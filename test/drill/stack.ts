// What is drilled: a real launcher (`npm start`) with everything that it runs, and beside it two more APIs and a
// second worker. A supervisor starts again whatever dies, the launcher included, as production does.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { readConfig } from '../../config.ts';
import { compileCache, planApi, planWorker } from '../../infra/local/apps.ts';
import { downloadPaths } from '../../infra/local/download.ts';
import { openFolders, publicFolder } from '../../infra/local/folders.ts';
import { lockHolder } from '../../infra/local/lock.ts';
import { choosePorts, type PortName, preferredPorts } from '../../infra/local/ports.ts';
import { planPostgres } from '../../infra/local/postgres.ts';
import { placesOf } from '../../infra/local/stack.ts';
import { createSupervisor, type ProcessPlan } from '../../infra/local/supervisor.ts';
import { startThrowAwayServers } from '../../infra/local/throwaway.ts';
import { connectElasticsearch } from '../../stores/elasticsearch/client.ts';
import { connectPostgres, type Sql } from '../../stores/postgres/client.ts';
import { freePort } from '../support/environment.ts';
import { probesOf } from './probes.ts';
import { noRateLimits } from '../support/no-limits.ts';
import { startSmtpServer } from '../support/smtp.ts';
import type { Mailbox } from './mailbox.ts';

export const targetNames = ['api', 'worker', 'postgres', 'elasticsearch', 'temporal', 'launcher'] as const;
export type TargetName = (typeof targetNames)[number];

/** One process that can be killed. */
export interface Target {
  kind: TargetName;
  /** Where its supervisor keeps its pid. */
  runFile: string;
  /** Whether the process with this pid serves. */
  ready: (pid: number) => Promise<boolean>;
}

export interface DrillStack {
  targets: readonly Target[];
  apiUrls: readonly string[];
  projectId: string;
  apiKey: string;
  sql: Sql;
  temporal: Client;
  elasticsearch: ReturnType<typeof connectElasticsearch>;
  mailbox: Mailbox;
  /** Matches the index of the chunks. */
  chunkIndex: string;
  /** Copies all logs, which stop() removes, into a folder. */
  keepLogs(folder: string): void;
  stop(): Promise<void>;
}

const root = join(import.meta.dirname, '../..');
const serverDownloads = ['temporal', 'elasticsearch', 'model'] as const;

export async function startDrillStack(prefix: string, say: (line: string) => void): Promise<DrillStack> {
  const { FRONTDESK_HOME } = readConfig();
  // No servers, only a folder of this run's own, the downloads, and a guard that cleans up when this process is killed.
  const run = await startThrowAwayServers(prefix, {
    home: FRONTDESK_HOME,
    which: [],
    downloads: serverDownloads,
    onProgress: say,
  });
  const { state } = placesOf(run.folders, `${prefix}-${process.pid}`);
  const home = join(state, 'home');
  publicFolder(state);
  const folders = openFolders(home, say);
  const supervisor = createSupervisor(state, say);
  const smtp = await startSmtpServer();
  const stop = async () => {
    await supervisor.stop();
    await smtp.close();
    if (folders.servers !== home) rmSync(folders.servers, { recursive: true, force: true, maxRetries: 3 });
    await run.stop();
  };
  try {
    shareDownloads(downloadPaths(run.folders), downloadPaths(folders));
    mkdirSync(join(FRONTDESK_HOME, 'cache'), { recursive: true });
    symlinkSync(join(FRONTDESK_HOME, 'cache'), join(home, 'cache'));
    const ports = await choosePorts(Object.keys(preferredPorts) as PortName[], { random: true });
    writeFileSync(join(home, 'ports.json'), JSON.stringify(ports));

    await supervisor.start(planLauncher(home, state, smtp.url));
    const demo = JSON.parse(readFileSync(join(home, 'demo.json'), 'utf8'));
    const { url: databaseUrl } = await planPostgres(folders, { data: folders.servers, port: ports.postgres });
    const elasticsearchUrl = `http://127.0.0.1:${ports.elasticsearch}`;
    const env = {
      ...ownEnvironment(home, smtp.url),
      DATABASE_URL: databaseUrl,
      TEMPORAL_ADDRESS: demo.temporalAddress,
      ELASTICSEARCH_URL: elasticsearchUrl,
    };
    const more = [
      planWorker(env),
      ...(await Promise.all(
        [1, 2].map(async () => {
          const port = await freePort();
          return planApi({ ...env, PORT: String(port) }, `http://127.0.0.1:${port}`);
        }),
      )),
    ].map((plan, n) => ({ ...plan, name: `${plan.name}-${n + 2}` }));
    await Promise.all(more.map((plan) => supervisor.start(plan)));

    const sql = connectPostgres(databaseUrl, { poolSize: 3, applicationName: 'drill' });
    await allowManyLeads(sql, demo.projectId);
    const connection = Connection.lazy({ address: demo.temporalAddress });
    const probes = probesOf({ databaseUrl, temporalAddress: demo.temporalAddress, elasticsearchUrl });
    const runFile = (folder: string, name: string) => join(folder, 'run', `${name}.json`);
    const launched: Target[] = [
      { kind: 'api', runFile: runFile(home, 'api'), ready: planApi(env, demo.apiUrl).ready },
      { kind: 'worker', runFile: runFile(home, 'worker'), ready: planWorker(env).ready },
      ...(['postgres', 'elasticsearch', 'temporal'] as const).map((kind) => ({
        kind,
        runFile: runFile(home, kind),
        ready: probes[kind],
      })),
    ];
    const ours = more.map(({ name, ready }): Target => {
      const kind = name.startsWith('api') ? 'api' : 'worker';
      return { kind, runFile: runFile(state, name), ready };
    });
    const launcher: Target = {
      kind: 'launcher',
      runFile: runFile(state, launcherName),
      ready: async (pid) => {
        if (!isUp(home, pid)) return false;
        // On other ports, what runs beside the launcher would wait for ever.
        const now = JSON.parse(readFileSync(join(home, 'ports.json'), 'utf8'));
        for (const [name, port] of Object.entries(ports)) {
          if (now[name] !== port) throw new Error(`the launcher moved ${name} from ${port} to ${now[name]}`);
        }
        return true;
      },
    };
    return {
      targets: [...launched, ...ours, launcher],
      apiUrls: [
        demo.apiUrl,
        ...more.flatMap(({ env: { PORT } }) => (PORT ? `http://127.0.0.1:${PORT}` : [])),
      ],
      projectId: demo.projectId,
      apiKey: demo.apiKey,
      sql,
      temporal: new Client({ connection }),
      elasticsearch: connectElasticsearch(elasticsearchUrl, {}),
      mailbox: smtp,
      chunkIndex: `${readConfig(env).ELASTICSEARCH_INDEX_PREFIX}-chunks-*`,
      keepLogs(folder) {
        rmSync(folder, { recursive: true, force: true });
        for (const from of [state, home]) cpSync(join(from, 'logs'), folder, { recursive: true });
      },
      async stop() {
        await Promise.all([sql.end({ timeout: 1 }), connection.close()]);
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** All visitors of the drill come from one address. */
async function allowManyLeads(sql: Sql, projectId: string): Promise<void> {
  const limits = { codesPerIp: 10_000, codesPerProject: 100_000 };
  await sql`
    update projects set settings = jsonb_set(settings, '{leads}', settings->'leads' || ${sql.json(limits)})
    where id = ${projectId}`;
}

const launcherName = 'npm-start';

function planLauncher(home: string, cwd: string, smtpUrl: string): ProcessPlan {
  return {
    name: launcherName,
    command: process.execPath,
    args: [join(root, 'infra/local/main.ts')],
    // Not the repository: an .env there names servers that are not ours to kill.
    cwd,
    env: ownEnvironment(home, smtpUrl),
    ready: async (pid) => isUp(home, pid),
    startLimitMs: 180_000,
    stopSignal: 'SIGTERM',
    stopLimitMs: 60_000,
  };
}

/** The launcher writes its address into its lock when everything runs. */
function isUp(home: string, pid: number): boolean {
  const holder = lockHolder(home);
  return holder?.pid === pid && holder.url !== undefined;
}

/** Nothing of the caller's configuration: that names the servers which other people use. */
function ownEnvironment(home: string, smtpUrl: string): Record<string, string | undefined> {
  const { PATH, HOME } = process.env;
  // The sites that are crawled are on this machine.
  const own = { FRONTDESK_HOME: home, SMTP_URL: smtpUrl, OUTBOUND_ALLOWED_RANGES: '127.0.0.1' };
  return { PATH, HOME, ...own, ...compileCache(home), ...noRateLimits };
}

type Paths = ReturnType<typeof downloadPaths>;

function shareDownloads(from: Paths, to: Paths): void {
  for (const name of serverDownloads) {
    mkdirSync(dirname(to[name]), { recursive: true });
    if (!existsSync(to[name])) symlinkSync(from[name], to[name]);
  }
}
