import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, readConfig } from '../config.ts';
import { runningEnvironmentFile } from '../infra/local/environment-file.ts';

/**
 * The configuration of a command: the environment, then `.env`, then that of the `npm start` which runs from this
 * folder. Each only fills in what those before it leave unset. Throws like readConfig.
 */
export function loadConfig(): Config {
  if (existsSync('.env')) process.loadEnvFile();
  const running = runningEnvironmentFile(readConfig().FRONTDESK_HOME);
  if (running) process.loadEnvFile(running);
  return readConfig();
}

/** Where the API is and the key to call it with. Throws where neither the environment nor an `npm start` says so. */
export function apiAccess(config: Config): { apiUrl: string; apiKey: string } {
  const demo = join(config.FRONTDESK_HOME, 'demo.json');
  const local: Partial<Record<'apiUrl' | 'apiKey', string>> = existsSync(demo)
    ? JSON.parse(readFileSync(demo, 'utf8'))
    : {};
  const apiUrl = config.FRONTDESK_API_URL ?? local.apiUrl;
  const apiKey = config.FRONTDESK_API_KEY ?? local.apiKey;
  if (apiUrl && apiKey) return { apiUrl, apiKey };
  throw new Error(`${apiUrl ? 'FRONTDESK_API_KEY' : 'FRONTDESK_API_URL'} is not set.`);
}
