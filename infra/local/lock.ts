// One launcher a folder. The lock names a process; it counts only while exactly that process runs.
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { identify, isRunning, type ProcessIdentity } from './processes.ts';

export type LockHolder = ProcessIdentity & { url?: string };
export type Lock = {
  /** Records where it can be reached, for those who find the lock taken. */
  setUrl(url: string): void;
  release(): void;
};

const lockFile = (folder: string) => join(folder, 'run', 'launcher.json');

/** The living process that holds this folder's lock. */
export function lockHolder(folder: string): LockHolder | undefined {
  try {
    const holder: LockHolder = JSON.parse(readFileSync(lockFile(folder), 'utf8'));
    return isRunning(holder) ? holder : undefined;
  } catch {
    return undefined;
  }
}

/** Takes the folder's lock for this process, or returns who has it. A killed process's lock is taken over. */
export function takeLock(folder: string): Lock | LockHolder {
  const file = lockFile(folder);
  mkdirSync(dirname(file), { recursive: true });
  const mine = `${file}.${process.pid}`;
  const me = identify(process.pid) as ProcessIdentity;
  const write = (holder: LockHolder) => writeFileSync(mine, JSON.stringify(holder, null, 2));
  write(me);
  try {
    for (;;) {
      try {
        // A link appears with its content, so nobody ever reads half a lock.
        linkSync(mine, file);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        const holder = lockHolder(folder);
        if (holder) return holder;
        rmSync(file, { force: true });
      }
    }
  } finally {
    rmSync(mine, { force: true });
  }
  return {
    setUrl(url) {
      write({ ...me, url });
      renameSync(mine, file);
    },
    release() {
      if (lockHolder(folder)?.pid === process.pid) rmSync(file, { force: true });
    },
  };
}

/** Tells a lock that was taken from somebody else's. */
export function isLock(result: Lock | LockHolder): result is Lock {
  return 'release' in result;
}
