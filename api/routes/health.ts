import { probe as timeout } from '../../domain/deadlines.ts';
import type { App, AppDependencies } from '../app.ts';

type State = { status: 'up' } | { status: 'down'; reason: string };

export function healthRoutes(app: App, { probes }: Pick<AppDependencies, 'probes'>): void {
  app.get('/health', { config: { public: true } }, async () => ({ status: 'ok' }));

  // Without PostgreSQL nothing can be accepted. Without the others it can, and is done later.
  app.get('/ready', { config: { public: true } }, async (_request, reply) => {
    const entries = await Promise.all(
      Object.entries(probes).map(async ([name, probe]) => [name, await stateOf(probe)] as const),
    );
    const servers = Object.fromEntries(entries) as Record<keyof typeof probes, State>;
    const down = entries.filter(([, state]) => state.status === 'down');
    const status = servers.postgresql.status === 'down' ? 'unavailable' : down.length > 0 ? 'degraded' : 'ok';
    return reply.status(status === 'unavailable' ? 503 : 200).send({ status, servers });
  });
}

async function stateOf(probe: () => Promise<void>): Promise<State> {
  try {
    await Promise.race([
      probe(),
      new Promise((_, reject) =>
        setTimeout(() => reject(new Error(`no answer within ${timeout / 1000} s`)), timeout).unref(),
      ),
    ]);
    return { status: 'up' };
  } catch (error) {
    return { status: 'down', reason: reasonOf(error) };
  }
}

/** A code or a short text of our own: drivers put addresses, and sometimes credentials, into their messages. */
function reasonOf(error: unknown): string {
  const { code, name, message } = error as { code?: unknown; name?: string; message?: string };
  if (typeof code === 'string' || typeof code === 'number') return String(code);
  return name === 'ProviderError' || name === 'Error' ? (message ?? 'unknown') : (name ?? 'unknown');
}
