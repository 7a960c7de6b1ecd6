// What the processes of `npm start` find in their environment, saved so that commands in the same folder find the
// same servers. In the format of an .env file, readable by its owner only: it holds the database's password.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '../../config.ts';
import { lockHolder } from './lock.ts';

const fileOf = (home: string) => join(home, 'environment.env');

/** Saves the variables that the configuration knows, and nothing else of the caller's environment. */
export function saveEnvironment(home: string, env: NodeJS.ProcessEnv): void {
  const known = readConfig(env);
  const lines = Object.entries(env).flatMap(([name, value]) =>
    name in known && value ? [`${name}=${quote(value)}\n`] : [],
  );
  rmSync(fileOf(home), { force: true });
  writeFileSync(fileOf(home), lines.join(''), { mode: 0o600 });
}

export function removeEnvironment(home: string): void {
  rmSync(fileOf(home), { force: true });
}

/** The file of the `npm start` that runs from this folder now; undefined where none does. */
export function runningEnvironmentFile(home: string): string | undefined {
  return lockHolder(home) && existsSync(fileOf(home)) ? fileOf(home) : undefined;
}

/** An .env file has no escapes: take a quotation mark that the value does not hold. */
function quote(value: string): string {
  const mark = ["'", '`', '"'].find((candidate) => !value.includes(candidate)) ?? '';
  return mark + value + mark;
}
