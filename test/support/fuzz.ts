// Requests made from the OpenAPI document: half of them as the schemas say, half of them bent.
import type { JsonSchema, OpenApiDocument, Operation } from '../../api/reference/document.ts';
import type { Random } from './random.ts';

export interface FuzzRequest {
  method: string;
  path: string;
  /** As the document writes it. */
  route: string;
  operation: Operation;
  headers: Record<string, string>;
  body: string | undefined;
}

const nastyTexts = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\u{1F600}',
  '\ud800',
  '\u202e',
  "'; drop table turns; --",
  '<script>alert(1)</script>',
  '../../etc/passwd',
  '%00',
  '%',
  '#{7*7}',
  '{{7*7}}',
  'null',
  'true',
  '-1',
  '1e400',
  '9'.repeat(40),
  'x'.repeat(300),
  'ü'.repeat(9_000),
  '00000000-0000-4000-8000-000000000000',
  '2026-02-30',
  'constructor',
  '__proto__',
];
const nastyValues: readonly unknown[] = [
  ...nastyTexts,
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  1e308,
  [],
  [[]],
  {},
  [null],
  { $ne: null },
  { toString: 1 },
  { length: -1 },
];

/** Endless requests over the operations that `takes` says. */
export function createFuzzer(options: {
  document: OpenApiDocument;
  random: Random;
  takes: (method: string, route: string) => boolean;
  /** Ids that exist, by the name of a parameter or field. */
  values: Readonly<Record<string, string>>;
  /** Headers by the name of the document's security scheme, and some that are worth nothing. */
  credentials: Readonly<Record<string, Record<string, string>>>;
  worthless: readonly Record<string, string>[];
}): () => FuzzRequest {
  const { document, random, values, credentials, worthless } = options;
  const operations = Object.entries(document.paths)
    .flatMap(([route, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        route,
        method: method.toUpperCase(),
        operation,
      })),
    )
    .filter(({ method, route }) => options.takes(method, route));
  const bent = (share: number) => random.next() < share;

  function made(schema: JsonSchema, name: string, depth = 0): unknown {
    if (bent(0.08)) return random.pick(nastyValues);
    if (values[name] !== undefined && bent(0.7)) return values[name];
    if (schema.const !== undefined) return schema.const;
    if (schema.enum) return random.pick(schema.enum);
    const alternatives = schema.anyOf ?? schema.oneOf ?? schema.allOf;
    if (alternatives) return made(random.pick(alternatives), name, depth + 1);
    switch (Array.isArray(schema.type) ? random.pick(schema.type) : schema.type) {
      case 'object': {
        const required = new Set(schema.required);
        const fields = Object.entries(schema.properties ?? {}).flatMap(([field, part]) =>
          (required.has(field) ? bent(0.95) : bent(0.4)) ? [[field, made(part, field, depth + 1)]] : [],
        );
        const more = bent(0.1) ? [[random.pick(nastyTexts), random.pick(nastyValues)]] : [];
        return Object.fromEntries([...fields, ...more]);
      }
      case 'array':
        return Array.from({ length: Math.floor(random.next() * 3) }, () =>
          made(schema.items ?? {}, name, depth + 1),
        );
      case 'integer':
        return random.pick([schema.minimum ?? 1, schema.maximum ?? 7, 1, 0, -1, 2 ** 53]);
      case 'number':
        return random.pick([schema.minimum ?? 0.5, schema.maximum ?? 1, random.next(), -1]);
      case 'boolean':
        return bent(0.5);
      case 'null':
        return null;
      default:
        return bent(0.3) ? random.pick(nastyTexts) : textOf(schema, random);
    }
  }

  function credentialFor({ security = [] }: Operation): Record<string, string> {
    const names = security.flatMap((entry) => Object.keys(entry)).filter((name) => credentials[name]);
    const fitting = names.map((name) => credentials[name]!);
    if (fitting.length > 0 && !bent(0.15)) return random.pick(fitting);
    return random.pick([...worthless, ...Object.values(credentials)]);
  }

  const inAddress = (value: unknown) =>
    encodeURIComponent(
      (typeof value === 'object' ? JSON.stringify(value) : String(value)).slice(0, 600).toWellFormed(),
    );

  return () => {
    const { route, method, operation } = random.pick(operations);
    const parameters = operation.parameters ?? [];
    const path = route.replace(/\{(\w+)\}/g, (_, name: string) => {
      const given = inAddress(made({ type: 'string' }, name));
      return given === '' || given === '.' || given === '..' ? 'x' : given;
    });
    const query = parameters
      .filter((parameter) => parameter.in === 'query' && bent(0.5))
      .map(({ name, schema }) => `${name}=${inAddress(made(schema, name))}`);
    if (bent(0.05)) query.push(random.pick(['__proto__=1', 'limit=1&limit=2', 'a[b]=c', '%', '=']));
    const [type, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
    const body =
      content && (bent(0.06) ? random.pick(brokenBodies) : JSON.stringify(made(content.schema, '')));
    return {
      method,
      route,
      operation,
      path: query.length > 0 ? `${path}?${query.join('&')}` : path,
      headers: {
        ...credentialFor(operation),
        ...(bent(0.1) ? { origin: random.pick(['https://shop.example', 'null', 'x']) } : {}),
        ...(bent(0.1) ? { 'idempotency-key': random.pick(['k', 'k'.repeat(300)]) } : {}),
        ...(type
          ? { 'content-type': bent(0.04) ? random.pick(['text/plain', 'application/xml', 'x']) : type }
          : {}),
      },
      body,
    };
  };
}

const brokenBodies = [
  '',
  '{',
  '[]',
  'null',
  '"x"',
  '1',
  '{"a":1,}',
  '\0',
  `${'['.repeat(5_000)}`,
  '{"__proto__":{"a":1}}',
];

/** Some text that the schema takes, by format; `pattern`s are left to chance. */
function textOf({ format, minLength = 1, maxLength = 40 }: JsonSchema, random: Random): string {
  switch (format) {
    case 'uuid':
      return `00000000-0000-4000-8000-${Math.floor(random.next() * 2 ** 40)
        .toString(16)
        .padStart(12, '0')}`;
    case 'email':
      return `someone${Math.floor(random.next() * 1_000)}@shop.example`;
    case 'uri':
      return 'https://shop.example/page';
    case 'date-time':
      return '2026-11-21T10:00:00.000Z';
    case 'date':
      return '2026-11-21';
    default:
      return 'What does shipping cost? '.repeat(20).slice(0, Math.max(minLength, Math.min(maxLength, 30)));
  }
}
