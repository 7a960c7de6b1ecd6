import { createLogger } from '../../logging.ts';
import { type AppDependencies, createApp } from '../app.ts';

/** The OpenAPI document of this code, without any server: no route is called. */
export async function openApiDocument() {
  const given: Partial<AppDependencies> = {
    logger: createLogger({ name: 'reference', level: 'silent' }),
    metrics: undefined,
    tracing: undefined,
    settings: {
      providerHealth: false,
      maxContentBytes: 1,
      demo: undefined,
      appBaseUrl: undefined,
      defaultAllowedDomains: [],
      dashboardOrigins: [],
      rateLimits: { requests: 1, visitorRequests: 1, sessionRequests: 1, windowMs: 1 },
      httpsOnly: false,
      trustProxy: false,
    },
  };
  const dependencies = new Proxy(given as AppDependencies, {
    get: (target, name) => (name in target ? target[name as keyof AppDependencies] : unused),
  });
  const app = await createApp(dependencies);
  await app.ready();
  const document = app.swagger();
  await app.close();
  return document as unknown as OpenApiDocument;
}

/** As much of an OpenAPI document as its readers here need. */
export interface OpenApiDocument {
  openapi: string;
  info: { title: string; description: string };
  paths: Record<string, Record<string, Operation>>;
}

export interface Operation {
  summary?: string;
  description?: string;
  tags?: string[];
  security?: Record<string, string[]>[];
  parameters?: { name: string; in: string; required?: boolean; schema: JsonSchema; description?: string }[];
  requestBody?: { content: Record<string, { schema: JsonSchema }> };
  responses: Record<string, unknown>;
}

export interface JsonSchema {
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  format?: string;
  pattern?: string;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
}

/** Stands in for every dependency: whatever is asked of it is this again. It must not look like a promise. */
// biome-ignore lint/suspicious/noExplicitAny: it is everything
const unused: any = new Proxy(() => unused, {
  get: (_target, property) => (property === 'then' || typeof property === 'symbol' ? undefined : unused),
});
