// Elasticsearch on one node without security, for this machine only.
import { chmodSync, chownSync, cpSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { minimumJava } from './download.ts';
import { type Folders, privateFolder } from './folders.ts';
import { findJava, javaAdvice } from './java.ts';
import type { ProcessPlan } from './supervisor.ts';

/**
 * Plans an Elasticsearch with its data and settings in `<data>/elasticsearch`.
 * Throws an Error that says what to install when no Java is new enough.
 */
export function planElasticsearch(
  folders: Folders,
  options: { distribution: string; data: string; port: number; transportPort: number },
): { plan: ProcessPlan; url: string } {
  const { distribution } = options;
  const home = privateFolder(join(options.data, 'elasticsearch'), folders.user);
  const tmp = privateFolder(join(home, 'tmp'), folders.user);
  const settings = writeSettings(folders, { ...options, home });
  const url = `http://127.0.0.1:${options.port}`;
  const plan: ProcessPlan = {
    name: 'elasticsearch',
    command: join(distribution, 'bin/elasticsearch'),
    args: [],
    cwd: home,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      ES_PATH_CONF: settings,
      ES_TMPDIR: tmp,
      ES_JAVA_HOME: javaHome(distribution),
      CLI_JAVA_OPTS: '-XX:TieredStopAtLevel=1',
    },
    user: folders.user,
    ports: { elasticsearch: options.port },
    ready: () => isReady(url),
    startLimitMs: 110_000,
    stopSignal: 'SIGTERM',
    stopLimitMs: 20_000,
  };
  return { plan, url };
}

/** Undefined where the archive brings its own. */
function javaHome(distribution: string): string | undefined {
  if (existsSync(join(distribution, 'jdk'))) return undefined;
  const java = findJava(minimumJava);
  if (java) return java.home;
  throw new Error(
    `Elasticsearch needs Java ${minimumJava} or newer: ${javaAdvice}. Or delete ${distribution}: the next start ` +
      'then fetches the archive that brings its own. Or run Elasticsearch elsewhere and set ELASTICSEARCH_URL.',
  );
}

function writeSettings(
  folders: Folders,
  options: { distribution: string; home: string; port: number; transportPort: number },
): string {
  const settings = join(options.home, 'config');
  rmSync(settings, { recursive: true, force: true });
  cpSync(join(options.distribution, 'config'), settings, { recursive: true });
  const yaml: Record<string, string | number | boolean> = {
    'cluster.name': 'frontdesk',
    'node.name': 'local',
    'discovery.type': 'single-node',
    'network.host': '127.0.0.1',
    'http.port': options.port,
    'transport.port': options.transportPort,
    'path.data': join(options.home, 'data'),
    'path.logs': join(options.home, 'logs'),
    'xpack.security.enabled': false,
    'action.destructive_requires_name': true,
    // The defaults are percentages: a disk that is 95 % full makes every index read-only, however large it is.
    'cluster.routing.allocation.disk.watermark.low': '2gb',
    'cluster.routing.allocation.disk.watermark.high': '1gb',
    'cluster.routing.allocation.disk.watermark.flood_stage': '500mb',
  };
  // The full archive has modules that cost memory and start time; the small build refuses to know their settings.
  const modules = new Set(readdirSync(join(options.distribution, 'modules')));
  if (modules.has('x-pack-ml')) yaml['xpack.ml.enabled'] = false;
  if (modules.has('ingest-geoip')) yaml['ingest.geoip.downloader.enabled'] = false;
  const lines = Object.entries(yaml).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
  writeFileSync(join(settings, 'elasticsearch.yml'), lines.join(''));
  // Its own jvm.options keep up to 2 GB of garbage collector logs and dump the heap when memory runs out.
  const jvm = [
    '-Xms1g',
    '-Xmx1g',
    '-XX:-HeapDumpOnOutOfMemoryError',
    '-Xlog:disable',
    '-Xlog:all=warning:stderr',
  ];
  const own = join(settings, 'jvm.options.d');
  privateFolder(own, folders.user);
  writeFileSync(join(own, 'frontdesk.options'), `${jvm.join('\n')}\n`);
  for (const name of ['.', ...readdirSync(settings, { recursive: true, encoding: 'utf8' })]) {
    if (folders.user) chownSync(join(settings, name), folders.user.uid, folders.user.gid);
  }
  chmodSync(settings, 0o700);
  return settings;
}

/** Every primary shard is open: an index that was there before can be searched and written. */
async function isReady(url: string): Promise<boolean> {
  const response = await fetch(`${url}/_cluster/health?wait_for_status=yellow&timeout=1s`, {
    signal: AbortSignal.timeout(5_000),
  });
  await response.arrayBuffer();
  return response.ok;
}
