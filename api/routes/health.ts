import { z } from 'zod';
import { probe as timeout } from '../../domain/deadlines.ts';
import type { App, AppDependencies } from '../app.ts';

const state = z.discriminatedUnion('status', [
  z.object({ status: z.literal('up') }),
  z.object({ status: z.literal('down'), reason: z.string() }),
]);
const readiness = z.object({
  status: z.enum(['ok', 'degraded', 'unavailable']),
  servers: z.object({ postgresql: state, temporal: state, elasticsearch: state }),
});
const tags = ['About'];
const schemas = {
  health: { summary: 'The process is alive', tags, response: { 200: z.object({ status: z.literal('ok') }) } },
  ready: {
    summary: 'The state of each server; 503 only without PostgreSQL',
    tags,
    response: { 200: readiness, 503: readiness },
  },
};

type State = z.infer<typeof state>;

export function healthRoutes(app: App, { probes }: Pick<AppDependencies, 'probes'>): void {
  // Load balancers ask often, and from inside.
  const config = { public: true, limit: 'none', plainHttp: true } as const;
  app.get('/health', { config, schema: schemas.health }, async () => ({ status: 'ok' as const }));

  // Without PostgreSQL nothing can be accepted. Without the others it can, and is done later.
  app.get('/ready', { config, schema: schemas.ready }, async (_request, reply) => {
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
