// Where everything that the local servers need lies on this machine.
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export type User = { uid: number; gid: number };

export type Folders = {
  /** The configured FRONTDESK_HOME, absolute. */
  home: string;
  /** Where PostgreSQL and Elasticsearch keep their programs and data: `home`, or a folder under /var/lib. */
  servers: string;
  /** The user that those two run as; undefined for the one that we are. */
  user: User | undefined;
};

/** True where every user may pass through all folders above `path` and, if it exists, into `path` itself. */
export function reachableByAll(path: string): boolean {
  let folder = resolve(path);
  while (!existsSync(folder)) folder = dirname(folder);
  for (;;) {
    if ((statSync(folder).mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
    folder = dirname(folder);
  }
}

/**
 * Creates `home` and decides where the servers live. PostgreSQL and Elasticsearch refuse to run as root, so root
 * runs them as `nobody`, who cannot enter a project that lies in a private folder (/root, `mktemp -d`).
 * Says so in one line when it chooses another place.
 */
export function openFolders(home: string, onProgress: (line: string) => void): Folders {
  const absolute = resolve(home);
  const asRoot = process.getuid?.() === 0;
  if (!existsSync(absolute)) publicFolder(absolute);
  if (!asRoot) return { home: absolute, servers: absolute, user: undefined };

  const user = { uid: 65_534, gid: 65_534 };
  const hash = createHash('sha256').update(absolute).digest('hex').slice(0, 12);
  const elsewhere = join('/var/lib/frontdesk', hash);
  // Data that was once put there is kept there, even if the project's folder has become public since.
  if (reachableByAll(absolute) && !existsSync(elsewhere)) return { home: absolute, servers: absolute, user };
  publicFolder(dirname(elsewhere));
  publicFolder(elsewhere);
  onProgress(
    `The servers run as nobody, who cannot enter ${absolute}: they and their data are in ${elsewhere}.`,
  );
  return { home: absolute, servers: elsewhere, user };
}

/** Creates a folder that everybody may enter, whatever the umask says. */
export function publicFolder(path: string): void {
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o755);
}

/** Creates a folder that belongs to the servers' user, with the given mode (0700 unless told). */
export function privateFolder(path: string, user: User | undefined, mode = 0o700): string {
  mkdirSync(path, { recursive: true });
  chmodSync(path, mode);
  if (user) chownSync(path, user.uid, user.gid);
  return path;
}
