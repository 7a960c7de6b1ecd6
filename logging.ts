import type { Logger as TemporalLogger, LogLevel, LogMetadata } from '@temporalio/common';
import { type Logger, pino } from 'pino';

/** Structured JSON logs. Ids and numbers only: no message texts, names, addresses or keys. */
export function createLogger(options: { name: string; level: string }): Logger {
  return pino({
    name: options.name,
    level: options.level,
    serializers: {
      // No address of the visitor, and no path or query, which may hold keys.
      req: ({ method, routeOptions }: { method: string; routeOptions?: { url?: string } }) => ({
        method,
        route: routeOptions?.url,
      }),
    },
    redact: ['err.query', 'err.parameters', 'err.detail', 'err.args', 'err.meta'],
  });
}

/** Lets Temporal's SDK write into the same log. */
export function temporalLogger(logger: Logger): TemporalLogger {
  const write = (level: LogLevel, message: string, meta?: LogMetadata) => {
    const { sdkComponent: _, error, ...rest } = (meta ?? {}) as Record<string, unknown>;
    logger[level.toLowerCase() as 'info']({ ...rest, ...(error ? { err: error } : {}) }, message);
  };
  return {
    log: write,
    trace: (message, meta) => write('TRACE', message, meta),
    debug: (message, meta) => write('DEBUG', message, meta),
    info: (message, meta) => write('INFO', message, meta),
    warn: (message, meta) => write('WARN', message, meta),
    error: (message, meta) => write('ERROR', message, meta),
  };
}
