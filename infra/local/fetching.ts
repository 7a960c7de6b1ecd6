// Getting one pinned thing onto this machine: trying one way after another, checking what came, unpacking it.
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import yauzl from 'yauzl';

export type Context = {
  /** Where unfinished downloads lie. */
  downloads: string;
  onProgress: (line: string) => void;
  signal: AbortSignal | undefined;
};

export type Way = {
  /** For people: "pip", "Elastic's download site". */
  name: string;
  /** Puts the finished thing (a file or a folder) under `folder`, checks it, and returns its path. */
  fetch: (folder: string, progress: (text: string) => void) => Promise<string>;
};

/**
 * Makes sure that `target` (a file or a folder) exists, by the first way that works. What is found under `target`
 * was checked before it got that name, so it is not checked again. Throws one Error that tells how each way failed.
 */
export async function fetchOnce(what: string, target: string, ways: Way[], context: Context): Promise<void> {
  if (existsSync(target)) return;
  const since = Date.now();
  const failures: string[] = [];
  for (const way of ways) {
    // A folder of its own: two starts at the same time must not write the same files.
    const folder = join(context.downloads, `unfinished-${randomUUID()}`);
    mkdirSync(folder, { recursive: true });
    context.onProgress(`${what}: downloading with ${way.name}`);
    try {
      const found = await way.fetch(folder, (text) => context.onProgress(`${what}: ${text}`));
      await execute('chmod', ['-R', 'a+rX', found], { cwd: folder });
      mkdirSync(dirname(target), { recursive: true });
      await moveTo(found, target);
      context.onProgress(`${what}: ready after ${((Date.now() - since) / 1000).toFixed(1)} s`);
      return;
    } catch (error) {
      if (context.signal?.aborted) throw error;
      const reason = oneLine((error as Error).message);
      failures.push(`  ${way.name}: ${reason}`);
      context.onProgress(`${what}: ${way.name} failed (${reason})`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  throw new Error(`${what} could not be downloaded. Tried:\n${failures.join('\n')}`);
}

/** Runs a program to its end. Throws with the end of what it printed. Ten minutes at most. */
export async function execute(
  command: string,
  args: string[],
  options: { cwd: string; signal?: AbortSignal | undefined },
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      ...options,
      timeout: 600_000,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (code === 'ENOENT') throw new Error(`${command} is not installed`);
    // maven tells its errors on standard output.
    const said = oneLine(stderr.trim() || stdout.trim());
    throw new Error(`${command} failed (${code})${said ? `: ${said}` : ''}`);
  }
}

/** Fetches an artifact (`group:name:version[:type]`) with mvn. Returns the file's path. */
export async function fetchWithMaven(
  artifact: string,
  folder: string,
  signal?: AbortSignal,
): Promise<string> {
  const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1';
  await execute(
    'mvn',
    ['-B', '-q', `${plugin}:copy`, `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`],
    {
      cwd: folder,
      signal,
    },
  );
  const [, name, version, type = 'jar'] = artifact.split(':');
  return join(folder, `${name}-${version}.${type}`);
}

/** Fetches a file over HTTP, telling how far it is. Returns its path. */
export async function fetchUrl(
  url: string,
  file: string,
  progress: (text: string) => void,
  signal?: AbortSignal,
): Promise<string> {
  const response = await fetch(url, signal ? { signal } : {}).catch((error) => {
    throw new Error(`${url}: ${error.cause?.message ?? error.message}`);
  });
  if (!response.ok || !response.body) throw new Error(`${url} answered ${response.status}`);
  const total = Number(response.headers.get('content-length'));
  let received = 0;
  let told = Date.now();
  const meter = new Transform({
    transform(chunk, _encoding, done) {
      received += chunk.length;
      if (Date.now() - told > 2_000) {
        told = Date.now();
        progress(`${megabytes(received)}${total ? ` of ${megabytes(total)}` : ''}`);
      }
      done(null, chunk);
    },
  });
  await pipeline(Readable.fromWeb(response.body), meter, createWriteStream(file));
  return file;
}

/** The file's digest in lower-case hex. */
export async function digest(file: string, algorithm: 'sha256' | 'sha512' = 'sha256'): Promise<string> {
  const hash = createHash(algorithm);
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** Throws an Error unless the file has this sha256. */
export async function checkSha256(file: string, expected: string): Promise<void> {
  const actual = await digest(file);
  if (actual !== expected) throw new Error(`sha256 is ${actual}, expected ${expected}`);
}

/**
 * Unpacks a zip file (a jar, a wheel) into `folder`, entry by entry without holding one in memory, with the
 * permissions it records. With `only`, just the entries whose names it accepts.
 */
export async function unzip(file: string, folder: string, only?: (name: string) => boolean): Promise<void> {
  const zip = await yauzl.openPromise(file);
  for await (const entry of zip.eachEntry()) {
    const path = resolve(folder, entry.fileName);
    if (!path.startsWith(resolve(folder) + sep)) throw new Error(`the archive holds ${entry.fileName}`);
    if (only && !only(entry.fileName)) continue;
    if (entry.fileName.endsWith('/')) {
      mkdirSync(path, { recursive: true });
      continue;
    }
    mkdirSync(dirname(path), { recursive: true });
    const mode = (entry.externalFileAttributes >>> 16) & 0o777 || 0o644;
    await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(path, { mode }));
  }
}

async function moveTo(found: string, target: string): Promise<void> {
  try {
    renameSync(found, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Another start was faster.
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return;
    if (code !== 'EXDEV') throw error;
    // Across file systems: copy beside the target first, so that a half copy never has its name.
    const copy = `${target}.unfinished`;
    rmSync(copy, { recursive: true, force: true });
    await execute('cp', ['-a', found, copy], { cwd: dirname(target) });
    renameSync(copy, target);
  }
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > 300 ? `…${line.slice(-300)}` : line;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
