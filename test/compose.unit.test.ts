import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../', import.meta.url));
const secrets = [
  'POSTGRES_PASSWORD',
  'FRONTDESK_DATABASE_PASSWORD',
  'TEMPORAL_DATABASE_PASSWORD',
  'ELASTIC_PASSWORD',
  'ENCRYPTION_KEYS',
  'ACCESS_SECRET',
  'REFRESH_SECRET',
  'AUTH_SECRET',
];

type Environment = Record<string, string | undefined>;

const run = ([command = '', ...first]: string[], args: string[], env: Environment = {}) =>
  spawnSync(command, [...first, ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  });

/** Docker's plugin or the program of its own; only the client is needed, no engine. */
const client = [['docker', 'compose'], ['docker-compose']].find(
  (command) => run(command, ['version', '--short']).status === 0,
);
// Without a `.env` that someone may have here.
const config = (env: Environment) =>
  run(client!, ['--env-file', '/dev/null', '-f', 'docker-compose.yml', 'config', '--quiet'], env);

test.runIf(client)('docker-compose.yml is valid', () => {
  const { status, stderr } = config(Object.fromEntries(secrets.map((name) => [name, 'secret'])));
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

test.runIf(client).each(secrets)('docker-compose.yml asks for %s and holds none', (absent) => {
  const given = secrets.filter((name) => name !== absent);
  const { status, stderr } = config(Object.fromEntries(given.map((name) => [name, 'secret'])));
  expect(status).not.toBe(0);
  expect(stderr).toContain(absent);
});

test.runIf(!client)('NOTE: docker-compose.yml was not checked, as there is no Docker Compose here', () => {
  expect(client).toBeUndefined();
});
