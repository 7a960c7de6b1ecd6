// Prometheus metrics, on a port of their own: they are for operators, not for the internet.
import { createServer } from 'node:http';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { TurnStatus } from '../domain/chat.ts';

/** What is known of a turn once it is recorded. */
export interface RecordedTurn {
  status: TurnStatus;
  /** From the question to the recorded outcome. */
  answerMs: number;
  promptTokens: number;
  completionTokens: number;
}

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics(service: 'api' | 'worker') {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const requests = new Histogram({
    name: 'frontdesk_http_request_seconds',
    help: 'Time of a request from its first byte to the end of its reply, which for a stream is the whole answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 100],
    registers,
  });
  const answers = new Histogram({
    name: 'frontdesk_answer_seconds',
    help: 'Time from an accepted question to its recorded outcome.',
    labelNames: ['status'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 90],
    registers,
  });
  const tokens = new Counter({
    name: 'frontdesk_tokens_total',
    help: 'Tokens of recorded turns.',
    labelNames: ['kind'],
    registers,
  });

  return {
    registry,
    request(method: string, route: string, status: number, seconds: number): void {
      requests.observe({ method, route, status }, seconds);
    },
    turn({ status, answerMs, promptTokens, completionTokens }: RecordedTurn): void {
      answers.observe({ status }, answerMs / 1000);
      tokens.inc({ kind: 'prompt' }, promptTokens);
      tokens.inc({ kind: 'completion' }, completionTokens);
    },
    /** Workflow starts that were written down and not made yet; asked for at each scrape. */
    dispatches(backlog: () => Promise<{ waiting: number; oldestSeconds: number }>): void {
      const oldest = new Gauge({
        name: 'frontdesk_dispatch_oldest_seconds',
        help: 'Age of the oldest workflow start that is still to be made.',
        registers,
      });
      new Gauge({
        name: 'frontdesk_dispatches_waiting',
        help: 'Workflow starts that are still to be made.',
        registers,
        async collect() {
          // A scrape without these two is better than none.
          const found = await backlog().catch(() => undefined);
          this.set(found?.waiting ?? Number.NaN);
          oldest.set(found?.oldestSeconds ?? Number.NaN);
        },
      });
    },
  };
}

/** Serves GET /metrics until the returned function is called. `more` is added to it: another registry's text. */
export async function serveMetrics(
  metrics: Metrics,
  address: { host: string; port: number },
  more: () => Promise<string> = async () => '',
): Promise<() => Promise<void>> {
  const server = createServer(async (request, response) => {
    if (request.url?.split('?', 1)[0] !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    try {
      const text = `${await metrics.registry.metrics()}\n${await more()}`;
      response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text);
    } catch {
      response.writeHead(500).end();
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, resolve);
  });
  return async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
}
