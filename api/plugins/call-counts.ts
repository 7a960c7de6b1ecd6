import { usage as timing } from '../../domain/deadlines.ts';
import type { CallCount, UsageStore } from '../../stores/postgres/usage.ts';
import type { App } from '../app.ts';

/**
 * Counts each project's calls by route and day. A request costs no statement: counts are written every few seconds and
 * when the server stops. What a killed process had not written is lost: at most those seconds.
 */
export function callCounts(app: App, usage: Pick<UsageStore, 'addCalls'>): void {
  let counts = new Map<string, CallCount>();

  app.addHook('onResponse', async (request, reply) => {
    const { projectId } = request;
    const path = request.routeOptions.url;
    if (projectId === '' || path === undefined) return;
    const route = `${request.method} ${path}`;
    const day = new Date().toISOString().slice(0, 10);
    const key = `${projectId} ${day} ${route}`;
    const count = counts.get(key) ?? { projectId, day, route, calls: 0, errors: 0 };
    count.calls += 1;
    if (reply.statusCode >= 400) count.errors += 1;
    counts.set(key, count);
  });

  let writing = Promise.resolve();
  const write = (): Promise<void> => {
    writing = writing.then(async () => {
      if (counts.size === 0) return;
      const written = counts;
      counts = new Map();
      try {
        await usage.addCalls([...written.values()]);
      } catch (error) {
        app.log.warn({ err: error }, 'calls were not counted, trying again');
        for (const [key, count] of written) {
          const newer = counts.get(key);
          if (newer) {
            newer.calls += count.calls;
            newer.errors += count.errors;
          } else {
            counts.set(key, count);
          }
        }
      }
    });
    return writing;
  };
  const timer = setInterval(write, timing.writeEvery).unref();
  app.addHook('onClose', async () => {
    clearInterval(timer);
    await write();
  });
}
