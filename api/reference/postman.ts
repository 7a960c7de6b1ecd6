import type { JsonSchema, OpenApiDocument, Operation } from './document.ts';

const schemaUrl = 'https://schema.getpostman.com/json/collection/v2.1.0/collection.json';

/** The document as a Postman collection (2.1), which Bruno and Insomnia import too: a folder a tag, examples filled in. */
export function postmanCollection(document: OpenApiDocument) {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const folders = Map.groupBy(operations, ({ operation }) => operation.tags?.[0] ?? 'other');
  return {
    info: { name: document.info.title, description: document.info.description, schema: schemaUrl },
    variable: [
      { key: 'baseUrl', value: 'http://127.0.0.1:3000' },
      { key: 'apiKey', value: '' },
      { key: 'accessToken', value: '' },
    ],
    item: [...folders].map(([name, list]) => ({
      name,
      item: list.map(({ path, method, operation }) => ({
        name: operation.summary ?? `${method.toUpperCase()} ${path}`,
        request: requestOf(path, method, operation),
      })),
    })),
  };
}

function requestOf(path: string, method: string, operation: Operation) {
  const parameters = operation.parameters ?? [];
  const segments = path
    .slice(1)
    .split('/')
    .map((segment) => segment.replace(/\{(\w+)\}/, ':$1'));
  const query = parameters.filter((parameter) => parameter.in === 'query');
  const [type, body] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  return {
    method: method.toUpperCase(),
    auth: authOf(operation),
    ...(operation.description ? { description: operation.description } : {}),
    header: type ? [{ key: 'content-type', value: type }] : [],
    url: {
      raw: `{{baseUrl}}/${segments.join('/')}`,
      host: ['{{baseUrl}}'],
      path: segments,
      variable: segments
        .filter((segment) => segment.startsWith(':'))
        .map((segment) => ({ key: segment.slice(1), value: '' })),
      query: query.map(({ name, schema, required }) => ({
        key: name,
        value: String(exampleOf(schema) ?? ''),
        disabled: !required,
      })),
    },
    ...(body && type === 'application/json'
      ? { body: { mode: 'raw', raw: JSON.stringify(exampleOf(body.schema), null, 2) } }
      : {}),
  };
}

function authOf({ security = [] }: Operation) {
  const schemes = security.flatMap((entry) => Object.keys(entry));
  const pair = (key: string, value: string) => ({ key, value, type: 'string' });
  if (schemes.includes('apiKey')) {
    return {
      type: 'apikey',
      apikey: [pair('key', 'x-api-key'), pair('value', '{{apiKey}}'), pair('in', 'header')],
    };
  }
  if (schemes.includes('bearer')) return { type: 'bearer', bearer: [pair('token', '{{accessToken}}')] };
  return { type: 'noauth' };
}

/** The smallest value that the schema asks for: its required fields, defaults where there are some. */
function exampleOf(schema: JsonSchema): unknown {
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const alternative = schema.anyOf?.[0] ?? schema.oneOf?.[0] ?? schema.allOf?.[0];
  if (alternative) return exampleOf(alternative);
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case 'object':
      return Object.fromEntries(
        (schema.required ?? []).map((name) => [name, exampleOf(schema.properties?.[name] ?? {})]),
      );
    case 'array':
      return [];
    case 'integer':
    case 'number':
      return schema.minimum ?? 0;
    case 'boolean':
      return false;
    default:
      return '';
  }
}
