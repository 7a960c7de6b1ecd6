// Servers for one run of tests or a benchmark: beside those of `npm start`, and gone afterwards.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Folders, openFolders } from './folders.ts';
import { isLock, lockHolder, takeLock } from './lock.ts';
import { placesOf, type Servers, type ServersOptions, startServers } from './stack.ts';
import { createSupervisor } from './supervisor.ts';

/**
 * Starts servers under `<home>/<prefix>-<pid>` with random ports and empty data; stop() removes the folder.
 * When this process ends without stop(), however it ends, they are stopped and removed a moment later.
 */
export async function startThrowAwayServers(
  prefix: string,
  options: Omit<ServersOptions, 'ephemeral' | 'given' | 'supervisor'>,
): Promise<Servers> {
  const folders = openFolders(options.home, () => {});
  await removeDeadRuns(folders, prefix);
  const name = `${prefix}-${process.pid}`;
  const { state } = placesOf(folders, name);
  const lock = takeLock(state);
  if (!isLock(lock)) throw new Error(`${state} is in use by process ${lock.pid}`);
  const dismissGuard = startGuard(folders, prefix);
  const remove = () => {
    lock.release();
    removeRun(folders, name);
    dismissGuard();
  };
  try {
    const servers = await startServers({ ...options, ephemeral: name });
    return {
      ...servers,
      async stop() {
        await servers.stop();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/**
 * A process that outlives this one and then removes what it has left. Signal and exit handlers are not enough: test
 * runners kill their processes. Returns what ends it early.
 */
function startGuard(folders: Folders, prefix: string): () => void {
  const guard = spawn(process.execPath, [import.meta.filename, folders.home, prefix, String(process.pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  (guard.stdin as unknown as { unref(): void }).unref();
  return () => guard.stdin.destroy();
}

async function removeDeadRuns(folders: Folders, prefix: string): Promise<void> {
  const names = readdirSync(folders.home).filter((name) => new RegExp(`^${prefix}-\\d+$`).test(name));
  for (const name of names) {
    const { state } = placesOf(folders, name);
    // One that was made this moment may be about to get its lock.
    const young = Date.now() - statSync(state).mtimeMs < 10_000 && !existsSync(join(state, 'run'));
    if (young || lockHolder(state)) continue;
    await createSupervisor(state, () => {}).stopLeftovers();
    removeRun(folders, name);
  }
}

function removeRun(folders: Folders, name: string): void {
  const places = placesOf(folders, name);
  for (const path of new Set([dirname(places.data), places.state])) {
    rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

if (import.meta.main) {
  const [home = '', prefix = '', owner = ''] = process.argv.slice(2);
  const folders = openFolders(home, () => {});
  // The owner holds the other end of this pipe: it closes when the owner ends, even by SIGKILL.
  await text(process.stdin);
  while (lockHolder(placesOf(folders, `${prefix}-${owner}`).state)) await sleep(20);
  await removeDeadRuns(folders, prefix);
}
