// `npm start`: everything on this machine, from nothing to a demo that answers.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, readConfig } from '../../config.ts';
import { compileCache, planApi, planWorker, runStep } from './apps.ts';
import { removeEnvironment, saveEnvironment } from './environment-file.ts';
import { isLock, takeLock } from './lock.ts';
import { choosePorts, requirePort } from './ports.ts';
import { type ServerUrls, startServers } from './stack.ts';
import { createSupervisor, type Supervisor } from './supervisor.ts';

type DemoKeys = { projectId: string; apiKey: string; widgetKey: string };

const startedAt = Date.now();
const seconds = () => ((Date.now() - startedAt) / 1000).toFixed(1);
const say = (line: string) => console.log(`[${seconds().padStart(6)} s] ${line}`);

// A closed terminal must not end the launcher before it has stopped everything.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
try {
  if (existsSync('.env')) process.loadEnvFile();
  const config = readConfig();
  mkdirSync(config.FRONTDESK_HOME, { recursive: true });
  const lock = takeLock(config.FRONTDESK_HOME);
  if (!isLock(lock)) {
    const where = lock.url ? ` at ${lock.url}` : '';
    throw new Error(
      `Frontdesk runs already from this folder${where} (process ${lock.pid}). Stop that one first.`,
    );
  }
  const supervisor = createSupervisor(config.FRONTDESK_HOME, say);
  process.on('exit', () => {
    // However this process ends: what it started must not stay behind.
    supervisor.killNow();
    removeEnvironment(config.FRONTDESK_HOME);
    lock.release();
  });
  const shutdown = stopOnSignal(supervisor);
  try {
    const demo = await start(config, supervisor, shutdown);
    lock.setUrl(demo.apiUrl);
    console.log(table(demo, config));
  } catch (error) {
    // When it was told to stop, whatever failed did so because of that.
    if (shutdown.aborted) await new Promise(() => {});
    await supervisor.stop();
    throw error;
  }
} catch (error) {
  console.error(`\n${(error as Error).message}`);
  process.exit(1);
}

/** Starts everything in order and returns what `demo.json` holds. */
async function start(config: Config, supervisor: Supervisor, signal: AbortSignal) {
  await supervisor.stopLeftovers();
  const port = await apiPort(config);
  const servers = await startServers({
    home: config.FRONTDESK_HOME,
    given: config,
    downloads: ['model'],
    supervisor,
    onProgress: say,
    signal,
  });
  const env = environment(config, servers, port);
  saveEnvironment(config.FRONTDESK_HOME, env);
  const step = { onLine: say, signal };
  await runStep('infra/migrate.ts', env, step);

  const host = config.HOST === '0.0.0.0' || config.HOST === '::' ? '127.0.0.1' : config.HOST;
  const apiUrl = `http://${host}:${port}`;
  await Promise.all([supervisor.start(planWorker(env)), supervisor.start(planApi(env, apiUrl))]);
  say('Worker and API: ready');
  await runStep('infra/seed.ts', env, step);

  const keys: DemoKeys = JSON.parse(readFileSync(config.demoKeysFile, 'utf8'));
  const { temporalUiUrl = config.TEMPORAL_UI_URL, temporalAddress, mailboxUrl } = servers;
  const demo = { apiUrl, temporalUiUrl, temporalAddress, mailboxUrl, ...keys };
  writeFileSync(join(config.FRONTDESK_HOME, 'demo.json'), `${JSON.stringify(demo, null, 2)}\n`, {
    mode: 0o600,
  });
  return demo;
}

/** A port that the user named is taken or refused; else the usual one or the next that is free. */
async function apiPort(config: Config): Promise<number> {
  if (process.env.PORT) {
    await requirePort('PORT', config.PORT, config.HOST);
    return config.PORT;
  }
  return (await choosePorts(['api'], { file: join(config.FRONTDESK_HOME, 'ports.json') })).api;
}

/** What the worker, the API and the steps find in their environment. */
function environment(config: Config, servers: ServerUrls, port: number): NodeJS.ProcessEnv {
  return {
    ...compileCache(config.FRONTDESK_HOME),
    ...process.env,
    NODE_ENV: config.NODE_ENV,
    FRONTDESK_HOME: config.FRONTDESK_HOME,
    PORT: String(port),
    DATABASE_URL: servers.databaseUrl,
    TEMPORAL_ADDRESS: servers.temporalAddress,
    TEMPORAL_UI_URL: servers.temporalUiUrl ?? config.TEMPORAL_UI_URL,
    ELASTICSEARCH_URL: servers.elasticsearchUrl,
    SMTP_URL: servers.smtpUrl,
  };
}

/** The first signal stops everything in order, a second one at once. The result tells that one has come. */
function stopOnSignal(supervisor: Supervisor): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  const onSignal = async () => {
    if (first > 0) {
      // Under npm one Ctrl-C arrives twice: from the terminal and passed on by npm.
      if (Date.now() - first > 1_000) process.exit(130);
      return;
    }
    first = Date.now();
    console.log('');
    say('Stopping. Once more kills at once.');
    controller.abort();
    await supervisor.stop();
    say('Stopped.');
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  return controller.signal;
}

function table(demo: Awaited<ReturnType<typeof start>>, config: Config): string {
  const rows: [string, string | undefined][] = [
    ['API', demo.apiUrl],
    ['Demo page', `${demo.apiUrl}/demo`],
    ['Temporal UI', demo.temporalUiUrl],
    ['Mailbox', demo.mailboxUrl],
    ['apiKey', demo.apiKey],
    ['widgetKey', demo.widgetKey],
    ['Logs', join(config.FRONTDESK_HOME, 'logs')],
  ];
  const lines = rows.flatMap(([name, value]) => (value ? [`  ${name.padEnd(13)}${value}`] : []));
  return `\nFrontdesk is running after ${seconds()} s. Ctrl-C stops it.\n\n${lines.join('\n')}\n`;
}
