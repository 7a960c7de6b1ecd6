// Servers for one run of tests or a benchmark: beside those of `npm start`, and gone afterwards.
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openFolders } from './folders.ts';
import { isLock, lockHolder, takeLock } from './lock.ts';
import { placesOf, type Servers, type ServersOptions, startServers } from './stack.ts';
import { createSupervisor } from './supervisor.ts';

/**
 * Starts servers under `<home>/<prefix>-<pid>` with random ports and empty data; stop() removes the folder.
 * What a killed run with the same prefix has left, running or on the disk, is removed first. When this process exits
 * without stop(), the servers are killed; a signal that ends it without an exit is the caller's to handle.
 */
export async function startThrowAwayServers(
  prefix: string,
  options: Omit<ServersOptions, 'ephemeral' | 'given' | 'supervisor'>,
): Promise<Servers> {
  await removeDeadRuns(options.home, prefix);
  const name = `${prefix}-${process.pid}`;
  const places = placesOf(
    openFolders(options.home, () => {}),
    name,
  );
  const lock = takeLock(places.state);
  if (!isLock(lock)) throw new Error(`${places.state} is in use by process ${lock.pid}`);
  const remove = () => {
    lock.release();
    for (const path of [dirname(places.data), places.state]) removeFolder(path);
  };
  try {
    const servers = await startServers({ ...options, ephemeral: name });
    const onExit = () => {
      servers.killNow();
      remove();
    };
    process.on('exit', onExit);
    return {
      ...servers,
      async stop() {
        process.off('exit', onExit);
        await servers.stop();
        remove();
      },
    };
  } catch (error) {
    // The Error has the end of the log that matters.
    remove();
    throw error;
  }
}

async function removeDeadRuns(home: string, prefix: string): Promise<void> {
  const folders = openFolders(home, () => {});
  const names = readdirSync(folders.home).filter((name) => new RegExp(`^${prefix}-\\d+$`).test(name));
  for (const name of names) {
    const places = placesOf(folders, name);
    // One that was made this moment may be about to get its lock.
    const young =
      Date.now() - statSync(places.state).mtimeMs < 10_000 && !existsSync(join(places.state, 'run'));
    if (young || lockHolder(places.state)) continue;
    await createSupervisor(places.state, () => {}).stopLeftovers();
    for (const path of [dirname(places.data), places.state]) removeFolder(path);
  }
}

function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
