import type { IncomingMessage, ServerResponse } from 'node:http';
import cors from '@fastify/cors';
import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type RawServerDefault,
} from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import type { Tokens } from '../auth/tokens.ts';
import { AppError } from '../domain/errors.ts';
import type { Providers } from '../providers/registry.ts';
import type { Retriever } from '../retrieval/retriever.ts';
import type { FrameListener } from '../stores/postgres/frames.ts';
import type { Stores } from '../stores/postgres/index.ts';
import type { OrderCrawl } from '../temporal/crawl-orders.ts';
import type { Dispatcher } from '../temporal/dispatcher.ts';
import type { LeadFlow } from '../temporal/lead-flow.ts';
import type { WidgetFiles } from '../widget/build.ts';
import { askMySiteRoutes } from './compat/askmysite.ts';
import { assistantsProxyRoutes } from './compat/assistants-proxy.ts';
import { ndjsonRoutes } from './compat/ndjson.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import { smartChatRoutes } from './compat/smartchat.ts';
import { smartChatAdminRoutes } from './compat/smartchat-admin.ts';
import { accessControl } from './plugins/access.ts';
import { callCounts } from './plugins/call-counts.ts';
import { renderError } from './plugins/errors.ts';
import { limitGuesses, type RateLimitSettings, rateLimits } from './plugins/rate-limits.ts';
import { requestLog } from './plugins/request-log.ts';
import { security } from './plugins/security.ts';
import { storableText } from './plugins/storable-text.ts';
import { webSockets } from './plugins/websocket.ts';
import { openApi } from './reference/openapi.ts';
import { assistantRoutes } from './routes/assistant.ts';
import { authRoutes } from './routes/auth.ts';
import { chatRoutes } from './routes/chat.ts';
import { chatSocketRoute } from './routes/chat-socket.ts';
import { conversationRoutes } from './routes/conversations.ts';
import { demoRoutes } from './routes/demo.ts';
import { documentRoutes } from './routes/documents.ts';
import { explanationRoutes } from './routes/explanations.ts';
import { exportRoutes } from './routes/exports.ts';
import { healthRoutes } from './routes/health.ts';
import { hostRoutes } from './routes/hosts.ts';
import { ingestionRoutes } from './routes/ingestion.ts';
import { keyRoutes } from './routes/keys.ts';
import { leadRoutes } from './routes/leads.ts';
import { projectRoutes } from './routes/projects.ts';
import { providerKeyRoutes } from './routes/provider-keys.ts';
import { providerRoutes } from './routes/providers.ts';
import { questionRoutes } from './routes/questions.ts';
import { batchRoutes } from './routes/batches.ts';
import { chunkRoutes } from './routes/chunks.ts';
import { evaluationRoutes } from './routes/evaluations.ts';
import { rebuildRoutes } from './routes/rebuilds.ts';
import { fileRoutes } from './routes/files.ts';
import { retrievalRoutes } from './routes/retrieval.ts';
import { visitorErasureRoutes } from './routes/visitor-erasures.ts';
import { turnRoutes } from './routes/turns.ts';
import { usageRoutes } from './routes/usage.ts';
import { userRoutes } from './routes/users.ts';
import { crmRoutes } from './routes/crm.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { widgetPreviewRoutes } from './routes/widget-preview.ts';
import { widgetRoutes } from './routes/widget.ts';
import { sourceRoutes } from './routes/sources.ts';
import { workspaceRoutes } from './routes/workspaces.ts';

export interface AppDependencies {
  stores: Stores;
  dispatcher: Dispatcher;
  leadFlow: LeadFlow;
  tokens: Tokens;
  orderCrawl: OrderCrawl;
  retriever: Retriever;
  providers: Providers;
  frameListener: FrameListener;
  /** For addresses that a customer chose. */
  safeFetch: typeof fetch;
  widget: WidgetFiles;
  /** Whether each server answers; rejects with the reason where it does not. */
  probes: {
    postgresql: () => Promise<void>;
    temporal: () => Promise<void>;
    elasticsearch: () => Promise<void>;
  };
  logger: Logger;
  /** Undefined where nobody reads them. */
  metrics: Metrics | undefined;
  tracing: Pick<Tracing, 'traceRequests'> | undefined;
  settings: {
    /** Whether GET /debug/provider-health answers. */
    providerHealth: boolean;
    /** Largest decoded document, in bytes. */
    maxContentBytes: number;
    /** Whose X-Forwarded-* headers count: nobody's, everybody's, so many hops, or these addresses. */
    trustProxy: boolean | number | string[];
    /** Where visitors reach this server, without a slash at the end; undefined: as a request says. */
    appBaseUrl: string | undefined;
    /** Sites that may use the keys of projects without an allowlist of their own; empty: all. */
    defaultAllowedDomains: readonly string[];
    /** Origins of dashboards; empty: all. */
    dashboardOrigins: readonly string[];
    /** Undefined in production: there is no demo page. */
    demo: { keysFile: string; namespaceUrl: string } | undefined;
    rateLimits: RateLimitSettings;
    /** In production: plain HTTP is refused, and browsers are told to come over HTTPS only. */
    httpsOnly: boolean;
  };
}

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** Headers that the five contracts' clients send. */
const allowedHeaders = [
  'Authorization',
  'Content-Type',
  'x-api-key',
  'x-widget-api-key',
  'X-Session-Token',
  'x-visitor-token',
  'Idempotency-Key',
  'Last-Event-ID',
];

/** What scripts of other origins may read of a reply. */
const exposedHeaders = [
  'Retry-After',
  'X-Request-Id',
  'X-Messages-Left',
  'RateLimit',
  'RateLimit-Policy',
  'RateLimit-Limit',
  'RateLimit-Remaining',
  'RateLimit-Reset',
];

/** The whole HTTP server, without listening. */
export async function createApp(deps: AppDependencies): Promise<App> {
  const { settings } = deps;
  const { trustProxy } = settings;
  const app: App = Fastify({
    loggerInstance: deps.logger as FastifyBaseLogger,
    // Bodies without a limit of their own are small JSON.
    bodyLimit: 1024 * 1024,
    trustProxy: typeof trustProxy === 'number' ? (_address, hop) => hop < trustProxy : trustProxy,
    // One line of our own for each request (plugins/request-log.ts): Fastify's two hold the address, which may hold keys.
    logController: new LogController({ disableRequestLogging: true }),
    // Addresses that the router itself refuses.
    frameworkErrors: (error, request, reply) => {
      renderError(error, request, reply);
    },
    requestIdHeader: false,
    genReqId: () => crypto.randomUUID(),
    // When closing, answers under way are finished; connections that only wait are closed.
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 200 },
  }).withTypeProvider<ZodTypeProvider>();

  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(async (error, request, reply) => {
    const shown = await limitGuesses(deps.stores.limits, settings.rateLimits, { error, request, reply });
    return renderError(shown, request, reply);
  });
  app.setNotFoundHandler(() => {
    throw new AppError('ROUTE_NOT_FOUND');
  });

  // A preflight carries no key, so it is answered for any origin; the call itself decides.
  await app.register(cors, {
    origin: true,
    credentials: true,
    allowedHeaders,
    exposedHeaders,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
  });
  deps.tracing?.traceRequests(app);
  requestLog(app, deps.metrics);
  security(app, settings);
  await openApi(app);
  accessControl(app, deps);
  rateLimits(app, deps.stores.limits, settings.rateLimits);
  callCounts(app, deps.stores.usage);
  storableText(app);

  const stopping = await webSockets(app);

  healthRoutes(app, deps);
  authRoutes(app, deps);
  workspaceRoutes(app, deps);
  projectRoutes(app, deps);
  keyRoutes(app, deps);
  hostRoutes(app, deps);
  userRoutes(app, deps);
  documentRoutes(app, deps);
  await fileRoutes(app, deps);
  ingestionRoutes(app, deps);
  batchRoutes(app, deps);
  chunkRoutes(app, deps);
  evaluationRoutes(app, deps);
  rebuildRoutes(app, deps);
  chatRoutes(app, deps);
  turnRoutes(app, deps);
  chatSocketRoute(app, deps, stopping);
  ndjsonRoutes(app, deps);
  await askMySiteRoutes(app, deps);
  await assistantsProxyRoutes(app, deps);
  await smartChatRoutes(app, deps, stopping);
  await smartChatAdminRoutes(app, deps);
  conversationRoutes(app, deps);
  assistantRoutes(app, deps);
  leadRoutes(app, deps);
  exportRoutes(app, deps);
  explanationRoutes(app, deps);
  questionRoutes(app, deps);
  visitorErasureRoutes(app, deps);
  retrievalRoutes(app, deps);
  webhookRoutes(app, deps);
  crmRoutes(app, deps);
  providerRoutes(app, deps);
  providerKeyRoutes(app, deps);
  usageRoutes(app, deps);
  widgetRoutes(app, deps);
  widgetPreviewRoutes(app);
  sourceRoutes(app, deps);
  if (settings.demo) demoRoutes(app, settings.demo);
  return app;
}
