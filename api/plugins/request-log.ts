import type { FastifyRequest } from 'fastify';
import { isUuid } from '../../stores/postgres/client.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { App } from '../app.ts';

/** One line for each request that was answered, and its time among the metrics. */
export function requestLog(app: App, metrics: Metrics | undefined): void {
  app.addHook('onResponse', async (request, reply) => {
    const { method, projectId } = request;
    const route = request.routeOptions.url ?? '(no route)';
    const { statusCode: status } = reply;
    const ms = Math.round(reply.elapsedTime);
    request.log.info(
      { method, route, ...idsOf(request), ...(projectId ? { projectId } : {}), status, ms },
      'request answered',
    );
    metrics?.request(method, route, status, reply.elapsedTime / 1000);
  });
}

/** Of a path's parameters only what is an id of ours: others may be keys, or what a visitor's browser made up. */
const idsOf = ({ params }: FastifyRequest): Record<string, string> =>
  Object.fromEntries(
    Object.entries((params ?? {}) as Record<string, string>).filter(
      ([name, value]) => name.endsWith('Id') && isUuid(value),
    ),
  );
