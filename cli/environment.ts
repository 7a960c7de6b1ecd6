import { existsSync } from 'node:fs';
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
