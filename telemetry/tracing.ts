// OpenTelemetry traces that join a request, its workflow and the activities. Loaded only where an exporter is set: the
// libraries cost time and memory at every start.
import { createRequire } from 'node:module';
import {
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { Resource } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import {
  makeWorkflowExporter,
  OpenTelemetryActivityInboundInterceptor,
  OpenTelemetryWorkflowClientInterceptor,
} from '@temporalio/interceptors-opentelemetry';
import type { FastifyInstance, FastifyRequest } from 'fastify';

export type Tracing = ReturnType<typeof startTracing>;

/** Begins to send spans to an OTLP/HTTP endpoint, under the service's name. What it cannot send is dropped. */
export function startTracing(options: { endpoint: string; service: string }) {
  const resource = new Resource({ 'service.name': options.service });
  const url = `${options.endpoint.replace(/\/+$/, '')}/v1/traces`;
  const processor = new BatchSpanProcessor(new OTLPTraceExporter({ url }));
  const provider = new BasicTracerProvider({ resource, spanProcessors: [processor] });
  provider.register({ contextManager: new AsyncLocalStorageContextManager() });

  return {
    clientInterceptors: { workflow: [new OpenTelemetryWorkflowClientInterceptor()] },
    /** To be bundled with the workflows. */
    workflowModules,
    worker: {
      interceptors: {
        activity: [
          (activity: ConstructorParameters<typeof OpenTelemetryActivityInboundInterceptor>[0]) => ({
            inbound: new OpenTelemetryActivityInboundInterceptor(activity),
          }),
        ],
      },
      sinks: { exporter: makeWorkflowExporter(processor, resource) },
    },
    traceRequests,
    /** Sends what is left. */
    close: () => provider.shutdown(),
  };
}

const workflowModules = [
  createRequire(import.meta.url).resolve('@temporalio/interceptors-opentelemetry/lib/workflow-interceptors'),
];

/** A span for each request, which the caller's own trace may be the parent of. It names the route, never the address. */
function traceRequests(app: Pick<FastifyInstance, 'addHook'>): void {
  const tracer = trace.getTracer('frontdesk-api');
  const spans = new WeakMap<FastifyRequest, Span>();
  app.addHook('onRequest', (request, _reply, done) => {
    const route = request.routeOptions.url ?? '(no route)';
    const parent = propagation.extract(ROOT_CONTEXT, request.headers);
    const span = tracer.startSpan(
      `${request.method} ${route}`,
      {
        kind: SpanKind.SERVER,
        attributes: {
          'http.request.method': request.method,
          'http.route': route,
          'frontdesk.request_id': request.id,
        },
      },
      parent,
    );
    spans.set(request, span);
    context.with(trace.setSpan(parent, span), done);
  });
  app.addHook('onResponse', (request, reply, done) => {
    const span = spans.get(request);
    span?.setAttributes({
      'http.response.status_code': reply.statusCode,
      'frontdesk.project_id': request.projectId,
    });
    if (reply.statusCode >= 500) span?.setStatus({ code: SpanStatusCode.ERROR });
    span?.end();
    done();
  });
}
