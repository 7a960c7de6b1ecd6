import { readConfig } from '../../config.ts';
import { startThrowAwayServers } from '../../infra/local/throwaway.ts';
import { createTestEnvironment, type TestEnvironment } from '../../test/support/environment.ts';

/** Runs a bench on servers of its own, with nothing else in them, and stops them afterwards. `pids` are the servers'. */
export async function onFreshServers(
  name: string,
  run: (environment: TestEnvironment, pids: Record<string, number>) => Promise<void>,
): Promise<void> {
  const servers = await startThrowAwayServers(`bench-${name}`, {
    home: readConfig().FRONTDESK_HOME,
    downloads: ['model'],
    // As `npm start` runs it: Temporal writes its histories to a file.
    keepHistories: true,
    onProgress: (line) => console.error(line),
  });
  try {
    const environment = await createTestEnvironment(servers as never);
    try {
      const pids = Object.entries(servers.processes).map(([server, { pid }]) => [server, pid]);
      await run(environment, Object.fromEntries(pids));
    } finally {
      await environment.close();
    }
  } finally {
    await servers.stop();
  }
}
