// Finding a Java that runs Elasticsearch. The `java` on the PATH is often an older one.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

export type Java = { home: string; version: number };

/** What to tell someone who has no Java that is new enough. */
export const javaAdvice =
  'install one (on Debian: `apt install openjdk-21-jre-headless` or newer) or set ES_JAVA_HOME to one';

/**
 * Finds a Java of at least this version: ES_JAVA_HOME, JAVA_HOME, then, of those installed where systems keep them,
 * the oldest that will do (it is the nearest to what Elasticsearch was tested with). Undefined when there is none;
 * throws when ES_JAVA_HOME points to one that will not do.
 */
export function findJava(minimum: number, env: NodeJS.ProcessEnv = process.env): Java | undefined {
  if (env.ES_JAVA_HOME) {
    const version = javaVersion(env.ES_JAVA_HOME);
    if (version === undefined) throw new Error(`ES_JAVA_HOME is ${env.ES_JAVA_HOME}, where no Java is`);
    if (version < minimum) throw new Error(`ES_JAVA_HOME is Java ${version}, ${minimum} or newer is needed`);
    return { home: env.ES_JAVA_HOME, version };
  }
  const usable = (home: string): Java[] => {
    const version = javaVersion(home);
    return version !== undefined && version >= minimum ? [{ home, version }] : [];
  };
  const [preferred] = env.JAVA_HOME ? usable(env.JAVA_HOME) : [];
  return (
    preferred ??
    installed(env)
      .flatMap(usable)
      .sort((a, b) => a.version - b.version)[0]
  );
}

function installed(env: NodeJS.ProcessEnv): string[] {
  const folders = [
    '/usr/lib/jvm',
    '/usr/lib64/jvm',
    '/usr/java',
    '/opt',
    '/opt/java',
    join(homedir(), '.sdkman/candidates/java'),
    '/Library/Java/JavaVirtualMachines',
    '/opt/homebrew/opt',
  ];
  const homes = folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .flatMap((home) => [home, join(home, 'Contents/Home'), join(home, 'libexec/openjdk.jdk/Contents/Home')]);
  const onPath = (env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'java'))
    .filter((file) => existsSync(file))
    .map((file) => dirname(dirname(realpathSync(file))));
  return [...homes, ...onPath];
}

/** 21 for "21.0.4" and 8 for "1.8.0_402"; undefined where no Java is. */
function javaVersion(home: string): number | undefined {
  const java = join(home, 'bin/java');
  if (!existsSync(java)) return undefined;
  const release = join(home, 'release');
  const text = existsSync(release) ? readFileSync(release, 'utf8') : askVersion(java);
  const version = /(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)/.exec(text)?.[1];
  return version === undefined ? undefined : Number(version);
}

function askVersion(java: string): string {
  return spawnSync(java, ['-version'], { encoding: 'utf8' }).stderr ?? '';
}
