// Which ports the servers listen on: the usual ones, the next free ones where those are taken, and the same ones at
// the next start, so that bookmarks keep working.
import { randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';

export const preferredPorts = {
  api: 3000,
  temporal: 7233,
  temporalUi: 8233,
  postgres: 5433,
  elasticsearch: 9201,
  elasticsearchTransport: 9301,
  smtp: 1025,
  mailbox: 1080,
} as const;

export type PortName = keyof typeof preferredPorts;

/** True where nothing listens on this port of `host`. */
export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => done(true)));
  });
}

/**
 * Chooses a free port for each name: the one remembered in `file`, else the preferred one, else the next that is free.
 * With `random`, any free ones and nothing remembered (for tests).
 */
export async function choosePorts<Name extends PortName>(
  names: readonly Name[],
  options: { file?: string; random?: boolean },
): Promise<Record<Name, number>> {
  const remembered = options.file ? readPorts(options.file) : {};
  const chosen: Partial<Record<PortName, number>> = {};
  const taken = new Set<number>();
  for (const name of names) {
    // Random ones lie below the range from which the system serves outgoing connections: those could take the
    // port between this check and the server's start.
    let port = options.random ? randomInt(15_000, 32_000) : (remembered[name] ?? preferredPorts[name]);
    while (taken.has(port) || !(await isPortFree(port))) port += 1;
    taken.add(port);
    chosen[name] = port;
  }
  if (options.file) {
    mkdirSync(dirname(options.file), { recursive: true });
    writeFileSync(options.file, JSON.stringify({ ...remembered, ...chosen }, null, 2));
  }
  return chosen as Record<Name, number>;
}

/** For a port that the user named: throws an Error that names it when it is taken. */
export async function requirePort(name: string, port: number, host: string): Promise<void> {
  if (await isPortFree(port, host)) return;
  throw new Error(
    `Port ${port} (${name}) is in use on ${host}. Stop what uses it, set ${name} to another port, ` +
      `or leave ${name} out and a free one is chosen.`,
  );
}

function readPorts(file: string): Partial<Record<PortName, number>> {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}
