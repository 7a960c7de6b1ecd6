import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifySchema, RouteOptions } from 'fastify';
import { createJsonSchemaTransform } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Scope } from '../../domain/auth.ts';
import { type ErrorCode, errorTable } from '../../domain/errors.ts';
import packageJson from '../../package.json' with { type: 'json' };
import type { App } from '../app.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Errors of the route's own; those that follow from its scope and its schemas need not be named. */
    errors?: readonly ErrorCode[];
    /** Bodies by content type, of a route that reads them itself because one of them is a form. */
    bodies?: Readonly<Record<string, z.ZodType>>;
  }
}

const info = {
  title: 'Frontdesk',
  version: packageJson.version,
  license: { name: 'Apache 2.0', identifier: packageJson.license },
  description:
    'Answers from a business’s own documents, over REST and streams. A 2xx means that the work was accepted for good. ' +
    'Errors are `{code, error, message, details?, requestId}`; docs/errors.md says what to do about each code.',
};

const securitySchemes = {
  apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'A key of a project.' },
  widgetKey: {
    type: 'apiKey',
    in: 'header',
    name: 'x-widget-api-key',
    description: 'The same key, under the name that one of the widgets uses.',
  },
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'The access token of a signed-in member of the project’s workspace.',
  },
} as const;

/** Every error has this shape; foreign clients' routes state their own. */
const errorSchema = {
  type: 'object',
  properties: {
    code: { type: 'string', description: 'Stable; docs/errors.md lists them.' },
    error: { type: 'string', description: 'The code again.' },
    message: { type: 'string', description: 'For people.' },
    stage: { type: 'string', description: 'Of a lead conversation, where there is one.' },
    details: { type: 'object', additionalProperties: true },
    requestId: { type: 'string', format: 'uuid', description: 'Stands in the logs.' },
  },
  required: ['code', 'error', 'message', 'requestId'],
} as const;

const documentSchema = {
  summary: 'This document',
  tags: ['About'],
  response: { 200: z.looseObject({ openapi: z.string() }) },
};

const toJsonSchema = createJsonSchemaTransform({});

/** Makes the OpenAPI document of the routes that are registered after it, and the page at /docs. */
export async function openApi(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info,
      servers: [{ url: '/' }],
      components: { securitySchemes, schemas: { Error: errorSchema as never } },
    },
    transform: (document) => {
      const convert = (given: typeof document) => toJsonSchema(given as Parameters<typeof toJsonSchema>[0]);
      const { schema, url } = convert(document);
      // A route without a schema has nothing to tell: it serves a page or a file.
      if (!document.schema || schema.hide) return { schema: { hide: true }, url };
      const { role, projectParameter, bodies } = document.route.config ?? {};
      const inQuery = role && !projectParameter && !url.includes(':projectId');
      const content = Object.entries(bodies ?? {}).map(([type, body]) => {
        return [type, { schema: convert({ ...document, schema: { body } }).schema.body }];
      });
      const whole = bodies ? { ...schema, body: { content: Object.fromEntries(content) } } : schema;
      return { schema: describe(inQuery ? withProject(whole) : whole, document.route), url };
    },
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    // Everything comes from this server. The page sets styles from its script.
    staticCSP:
      "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; img-src 'self' data:; " +
      "style-src 'self' 'unsafe-inline'",
    uiConfig: { deepLinking: true },
  });
  app.get(
    '/v1/openapi.json',
    { config: { public: true, limit: 'none' }, schema: documentSchema },
    async (_request, reply) =>
      reply.header('cache-control', 'no-cache').send(app.swagger() as { openapi: string }),
  );
}

/** Adds to a route's schema what its config says: who may call it, and what it may answer. */
function describe(schema: FastifySchema, route: RouteOptions): FastifySchema {
  const { scope, role, workspaceRole, signedIn, platformAdmin } = route.config ?? {};
  const member = role ?? workspaceRole ?? (platformAdmin ? 'platform admin' : undefined);
  const described = schema as FastifySchema & { description?: string; response?: Record<string, unknown> };
  const needs = [
    ...(scope ? [`a key with the scope \`${scope}\``] : []),
    ...(member ? [`a member with the role \`${member}\``] : []),
    ...(signedIn ? ['somebody who is signed in'] : []),
  ];
  return {
    ...schema,
    description: [described.description, needs.length > 0 && `Needs ${needs.join(', or ')}.`]
      .filter(Boolean)
      .join('\n\n'),
    security: [
      ...(scope ? keySecurity(scope) : []),
      // From 3.1 on, the list names the roles that are needed.
      ...(member ? [{ bearer: [member] }] : []),
      ...(signedIn ? [{ bearer: [] }] : []),
    ],
    response: { ...errorResponses(errorsOf(schema, route)), ...successOf(route, open(described.response)) },
    ...(scope ? { 'x-scope': scope } : {}),
    ...(member ? { 'x-role': member } : {}),
  } as FastifySchema;
}

/** A bearer token belongs to a user, so the request says which project it is about. */
function withProject(schema: FastifySchema): FastifySchema {
  const { properties = {}, ...rest } = (schema.querystring ?? { type: 'object' }) as { properties?: object };
  const projectId = { type: 'string', format: 'uuid', description: 'The project, with a bearer token.' };
  return { ...schema, querystring: { ...rest, properties: { ...properties, projectId } } };
}

/** A route that states no success serves a page or a file, or has nothing to say. */
const successOf = ({ method }: RouteOptions, responses: object) =>
  Object.keys(responses).some((status) => /^[23]/.test(status))
    ? responses
    : {
        ...responses,
        ...(method === 'GET' ? { 200: { description: 'OK.' } } : { 204: { description: 'Done.' } }),
      };

/** Replies may gain fields, and clients should not break at them. */
const open = (schema: unknown): object =>
  JSON.parse(JSON.stringify(schema ?? {}), (key, value) =>
    key === 'additionalProperties' && value === false ? undefined : value,
  );

const keySecurity = (scope: Scope) => [{ apiKey: [scope] }, { widgetKey: [scope] }];

const keyErrors: readonly ErrorCode[] = [
  'API_KEY_REQUIRED',
  'INVALID_API_KEY',
  'DOMAIN_NOT_AUTHORIZED',
  'INSUFFICIENT_SCOPE',
];
const userErrors: readonly ErrorCode[] = [
  'ACCESS_TOKEN_REQUIRED',
  'INVALID_ACCESS_TOKEN',
  'ORIGIN_NOT_ALLOWED',
];

/** All codes that a route may answer with: an id in its path may be of nothing, a `turnId` TURN_NOT_FOUND, say. */
export function errorsOf(schema: FastifySchema, route: RouteOptions): ErrorCode[] {
  const { scope, role, workspaceRole, signedIn, platformAdmin, limit, errors = [] } = route.config ?? {};
  const user = Boolean(role ?? workspaceRole ?? signedIn ?? platformAdmin);
  const body = schema.body as { properties?: object } | undefined;
  const fields = Object.keys(body?.properties ?? {});
  const missing = [...(route.url ?? '').matchAll(/:(\w+)Id\b/g)]
    .map(([, noun]) => `${noun!.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}_NOT_FOUND`)
    .filter((code): code is ErrorCode => code in errorTable);
  return [
    ...new Set<ErrorCode>([
      ...(scope ? keyErrors : []),
      ...(user ? userErrors : []),
      ...(role ? (['INSUFFICIENT_ROLE', 'PROJECT_NOT_FOUND'] as const) : []),
      ...(workspaceRole ? (['INSUFFICIENT_ROLE', 'WORKSPACE_NOT_FOUND'] as const) : []),
      ...(platformAdmin ? (['ROUTE_NOT_FOUND'] as const) : []),
      ...(limit === 'none' ? [] : (['RATE_LIMIT_EXCEEDED'] as const)),
      ...(body
        ? (['INVALID_REQUEST', 'INVALID_JSON', 'CONTENT_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const)
        : []),
      ...(fields.includes('message') ? (['MESSAGE_REQUIRED'] as const) : []),
      ...(fields.includes('content') ? (['CONTENT_REQUIRED'] as const) : []),
      ...(schema.querystring || schema.params || schema.headers ? (['INVALID_REQUEST'] as const) : []),
      ...missing,
      ...errors,
      'HTTPS_REQUIRED',
      'INTERNAL_SERVER_ERROR',
      'SERVICE_UNAVAILABLE',
    ]),
  ];
}

function errorResponses(codes: readonly ErrorCode[]): Record<string, unknown> {
  const byStatus = Map.groupBy(codes, (code) => errorTable[code][0]);
  return Object.fromEntries(
    [...byStatus].map(([status, list]) => [
      status,
      {
        description: list.map((code) => `\`${code}\`: ${errorTable[code][1]}`).join('\n'),
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    ]),
  );
}
