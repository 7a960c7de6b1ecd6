import { createServer } from 'node:net';

/**
 * Temporal's SDK serves its metrics by itself, at an address that it is given when the process starts: a free one here,
 * on the loopback interface, whose text is added to ours.
 */
export async function temporalMetrics(): Promise<{ bindAddress: string; read: () => Promise<string> }> {
  const bindAddress = `127.0.0.1:${await freePort()}`;
  return {
    bindAddress,
    read: async () => {
      const response = await fetch(`http://${bindAddress}/metrics`, { signal: AbortSignal.timeout(2_000) });
      return await response.text();
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
