import type { Config } from '../config.ts';
import type { Tracing } from './tracing.ts';

/** Starts tracing where an exporter is set. */
export async function tracingOf(config: Config, service: string): Promise<Tracing | undefined> {
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined) return undefined;
  const { startTracing } = await import('./tracing.ts');
  return startTracing({ endpoint, service });
}
