// The environment as one schema, so that a typo fails at start and not at the first request.
// Only entry points read it; everything else receives what it needs as arguments.
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { AuthSecrets } from './auth/tokens.ts';
import { defaultRerankModels } from './domain/models.ts';
import type { EncryptionKey } from './encryption.ts';
import { parseRange } from './outbound/addresses.ts';
import type { MailServer } from './providers/mail/index.ts';
import type { ServerAccess } from './providers/registry.ts';

const port = z.coerce.number().int().min(0).max(65_535);
const positive = z.coerce.number().int().positive();
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
);

/** `["a", "b"]`, or one value as it is. */
const jsonList = z.string().transform((text, context): string[] => {
  if (!text.trimStart().startsWith('[')) return [text.trim()];
  try {
    return z.array(z.string().trim()).parse(JSON.parse(text));
  } catch {
    context.addIssue('must be a list of texts in JSON, such as ["a", "b"]');
    return z.NEVER;
  }
});

const secret = z
  .string()
  .min(32, 'must have at least 32 characters, as `openssl rand -base64 32` prints them');
const encryptionKey = z.string().transform((text, context): EncryptionKey => {
  const [, id, encoded] = /^([\w-]+):(.+)$/.exec(text) ?? [];
  const key = Buffer.from(encoded ?? '', 'base64');
  if (id && key.length === 32) return { id, key };
  context.addIssue('must be an id, a colon and 32 bytes in base64, as `openssl rand -base64 32` prints them');
  return z.NEVER;
});

const addressRange = z.string().transform((text, context) => {
  try {
    return parseRange(text);
  } catch (error) {
    context.addIssue((error as Error).message);
    return z.NEVER;
  }
});

const environment = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),

  HOST: z.string().default('127.0.0.1'),
  PORT: port.default(3000),
  /** Largest decoded document, in bytes. */
  MAX_CONTENT_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(50 * 1024 * 1024),

  /** Whose X-Forwarded-* headers count: false, true (everybody's), a number of proxies, or their addresses. */
  TRUST_PROXY: z
    .string()
    .default('false')
    .transform((text) => {
      if (/^(true|false)$/.test(text)) return text === 'true';
      return /^\d+$/.test(text) ? Number(text) : text.split(',').map((address) => address.trim());
    }),
  /** Where visitors reach this server: what snippets name. */
  APP_BASE_URL: z.url().optional(),
  /** Sites that may use the keys of projects without an allowlist of their own; '*' is no list. */
  CORS_ORIGIN: list.default([]),
  /** Origins of dashboards, which send bearer tokens. */
  FRONTEND_ORIGIN: list.default([]),
  /** Sign access tokens, and key the stored hashes of refresh tokens and of codes. */
  ACCESS_SECRET: secret.optional(),
  REFRESH_SECRET: secret.optional(),
  AUTH_SECRET: secret.optional(),
  /** Production answers over HTTPS only; this says that whoever can reach the port may speak HTTP. */
  ALLOW_PLAIN_HTTP: z.stringbool().default(false),

  RATE_LIMIT_WINDOW_MS: positive.default(60_000),
  /** Calls of one key in a window, or of one address without a key. */
  RATE_LIMIT_MAX_REQUESTS: positive.default(600),
  /** Questions of one visitor's browser in a window. */
  RATE_LIMIT_VISITOR_REQUESTS: positive.default(60),
  /** Questions of one conversation or session in a window. */
  RATE_LIMIT_SESSION_REQUESTS: positive.default(30),

  /** Keys of other systems that the seed gives to the demo project: ordinary, publishable and secret. */
  DEFAULT_API_KEY: z.string().optional(),
  WIDGET_API_KEY: z.string().optional(),
  ADMIN_API_KEY: z.string().optional(),
  /** Where Prometheus reads metrics; absent: nowhere. */
  METRICS_PORT: port.optional(),
  /** Where traces go, by OTLP over HTTP, without /v1/traces; absent: nowhere. */
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional(),

  /**
   * What `frontdesk import-assistants` reads: lists of an assistants proxy, in JSON, that belong together by index. One
   * address in EMAIL_TO serves all.
   */
  DOMAINS: jsonList.default([]),
  OPENAI_API_KEYS: jsonList.default([]),
  ASSISTANT_IDS: jsonList.default([]),
  EMAIL_TO: jsonList.default([]),

  DATABASE_URL: z.url().optional(),
  /** The same as DATABASE_URL, under the name that an existing system uses. */
  DB_URL: z.url().optional(),
  DATABASE_POOL_SIZE: z.coerce.number().int().positive().default(10),

  TEMPORAL_ADDRESS: z.string().optional(),
  /** Where operators open the Temporal Web UI; only shown to people. */
  TEMPORAL_UI_URL: z.url().optional(),
  TEMPORAL_NAMESPACE: z.string().default('default'),
  TEMPORAL_API_KEY: z.string().optional(),
  TEMPORAL_TLS: z.stringbool().default(false),
  /** How long the namespace keeps closed workflows, in days. */
  TEMPORAL_RETENTION_DAYS: z.coerce.number().int().positive().default(30),

  ELASTICSEARCH_URL: z.url().optional(),
  ELASTICSEARCH_API_KEY: z.string().optional(),
  ELASTICSEARCH_INDEX_PREFIX: z
    .string()
    .regex(/^[a-z][a-z0-9-]*$/)
    .default('frontdesk'),

  SMTP_URL: z.url({ protocol: /^smtps?$/ }).optional(),
  /** These four stand in for SMTP_URL. */
  SMTP_HOST: z.string().optional(),
  SMTP_PORT: port.default(587),
  SMTP_USER: z.string().optional(),
  SMTP_PASS: z.string().optional(),
  /** The address that mails are from. */
  MAIL_FROM: z.email().optional(),
  /** Mail goes through Resend's API instead of SMTP. */
  RESEND_API_KEY: z.string().optional(),
  RESEND_FROM_EMAIL: z.email().optional(),

  /** `id:base64` of 32 random bytes each, separated by commas: the first encrypts, all decrypt. */
  ENCRYPTION_KEYS: list.pipe(z.array(encryptionKey).min(1)).optional(),

  /** Ranges that are called although they are not public, where a customer or a page names an address in them. */
  OUTBOUND_ALLOWED_RANGES: list.pipe(z.array(addressRange)).default([]),

  /** Models over the network, for projects that bring no key of their own. */
  OPENAI_API_KEY: z.string().optional(),
  OPENAI_BASE_URL: z.url().default('https://api.openai.com/v1'),
  /** The model of openai's projects that name none. */
  OPENAI_MODEL: z.string().optional(),
  GROQ_API_KEY: z.string().optional(),
  GROQ_BASE_URL: z.url().default('https://api.groq.com/openai/v1'),
  GEMINI_API_KEY: z.string().optional(),
  GEMINI_BASE_URL: z.url().default('https://generativelanguage.googleapis.com'),
  /** An Ollama server; absent: no project can use the provider without naming one of its own. */
  OLLAMA_BASE_URL: z.url().optional(),
  /** Rerankers over the network, likewise. */
  COHERE_API_KEY: z.string().optional(),
  COHERE_BASE_URL: z.url().default('https://api.cohere.com/v2'),
  JINA_API_KEY: z.string().optional(),
  JINA_BASE_URL: z.url().default('https://api.jina.ai/v1'),
  VOYAGE_API_KEY: z.string().optional(),
  VOYAGE_BASE_URL: z.url().default('https://api.voyageai.com/v1'),

  /** Which task queues this worker serves. */
  WORKER_QUEUES: list.pipe(z.array(z.enum(['chat', 'ingestion'])).min(1)).default(['chat', 'ingestion']),
  /** Threads that run the bundled embedding model, in each process that embeds. */
  EMBEDDING_THREADS: z.coerce.number().int().positive().default(Math.min(2, availableParallelism())),
  /** Where `frontdesk ingest` finds the API, and a project's key for it. */
  FRONTDESK_API_URL: z.url().optional(),
  FRONTDESK_API_KEY: z.string().optional(),

  /** Downloads, local servers' data and demo.json. */
  FRONTDESK_HOME: z
    .string()
    .default('.frontdesk')
    .transform((path) => resolve(path)),
});

export type Config = Readonly<
  z.infer<typeof environment> & {
    /** Where the bundled embedding model lies: `model.onnx` and `tokenizer.json`. */
    embeddingModelDir: string;
    /** The same of the local reranker. */
    rerankerModelDir: string;
    /** The demo project's keys, written by the seed. */
    demoKeysFile: string;
    /** Variables of another system that are set and have no effect here. */
    ignoredVariables: readonly string[];
  }
>;

/** Reads the environment (empty variables count as absent). Throws one Error that names every bad variable. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = environment.safeParse(given);
  if (!parsed.success) throw new Error(`The environment is not usable:\n${z.prettifyError(parsed.error)}`);
  const values = parsed.data;
  return {
    ...values,
    DATABASE_URL: values.DATABASE_URL ?? values.DB_URL,
    embeddingModelDir: resolve(values.FRONTDESK_HOME, 'models', 'all-minilm-l6-v2-q'),
    rerankerModelDir: resolve(values.FRONTDESK_HOME, 'models', defaultRerankModels.local),
    demoKeysFile: resolve(values.FRONTDESK_HOME, 'demo-keys.json'),
    ignoredVariables: Object.keys(given).filter((name) => /^(CHROMA_\w+|CONVEX_URL)$/.test(name)),
  };
}

/** What the API counts calls by. */
export const rateLimitSettings = (config: Config) => ({
  requests: config.RATE_LIMIT_MAX_REQUESTS,
  visitorRequests: config.RATE_LIMIT_VISITOR_REQUESTS,
  sessionRequests: config.RATE_LIMIT_SESSION_REQUESTS,
  windowMs: config.RATE_LIMIT_WINDOW_MS,
});

/** Stands in for ENCRYPTION_KEYS outside production, so that a first start needs no secrets. It protects nothing. */
const developmentKey: EncryptionKey = { id: 'development', key: Buffer.alloc(32, 'frontdesk') };

/** The keys for secrets at rest. Throws in production where none is set. */
export function encryptionKeys(config: Config): [EncryptionKey, ...EncryptionKey[]] {
  const [first, ...others] = config.ENCRYPTION_KEYS ?? [];
  if (first) return [first, ...others];
  if (config.NODE_ENV === 'production')
    throw new Error('ENCRYPTION_KEYS is not set: production needs a key of its own.');
  return [developmentKey];
}

/** Where mail goes out, and from which address; undefined where nothing is set. */
export function mailServer(config: Config): MailServer | undefined {
  const { SMTP_HOST: host, SMTP_PORT, SMTP_USER: user, SMTP_PASS: password = '' } = config;
  if (config.RESEND_API_KEY) {
    const from = config.RESEND_FROM_EMAIL ?? config.MAIL_FROM;
    if (!from) throw new Error('RESEND_FROM_EMAIL is not set: Resend sends only from an address of yours.');
    return { kind: 'resend', apiKey: config.RESEND_API_KEY, from };
  }
  const login = user ? `${encodeURIComponent(user)}:${encodeURIComponent(password)}@` : '';
  const scheme = SMTP_PORT === 465 ? 'smtps' : 'smtp';
  const url = config.SMTP_URL ?? (host && `${scheme}://${login}${host}:${SMTP_PORT}`);
  if (!url) return undefined;
  const account = user ?? decodeURIComponent(new URL(url).username);
  const from = config.MAIL_FROM ?? (account.includes('@') ? account : 'frontdesk@localhost');
  return { kind: 'smtp', url, from };
}

/** The secrets of accounts. Throws in production where one is missing. */
export function authSecrets(config: Config): AuthSecrets {
  const given = (name: 'ACCESS_SECRET' | 'REFRESH_SECRET' | 'AUTH_SECRET'): string => {
    const value = config[name];
    if (value) return value;
    if (config.NODE_ENV === 'production')
      throw new Error(`${name} is not set: production needs one of its own.`);
    return `development ${name}`;
  };
  return { access: given('ACCESS_SECRET'), refresh: given('REFRESH_SECRET'), auth: given('AUTH_SECRET') };
}
/** The providers that need no key of the project's own. */
export const serverAccess = (config: Config): ServerAccess => ({
  openai: { apiKey: config.OPENAI_API_KEY, baseUrl: config.OPENAI_BASE_URL, model: config.OPENAI_MODEL },
  groq: { apiKey: config.GROQ_API_KEY, baseUrl: config.GROQ_BASE_URL },
  gemini: { apiKey: config.GEMINI_API_KEY, baseUrl: config.GEMINI_BASE_URL },
  ollama: { baseUrl: config.OLLAMA_BASE_URL },
  cohere: { apiKey: config.COHERE_API_KEY, baseUrl: config.COHERE_BASE_URL },
  jina: { apiKey: config.JINA_API_KEY, baseUrl: config.JINA_BASE_URL },
  voyage: { apiKey: config.VOYAGE_API_KEY, baseUrl: config.VOYAGE_BASE_URL },
});

/** How to reach Temporal. */
export const temporalOptions = (config: Config) => ({
  address: required(config, 'TEMPORAL_ADDRESS'),
  namespace: config.TEMPORAL_NAMESPACE,
  tls: config.TEMPORAL_TLS,
  apiKey: config.TEMPORAL_API_KEY,
});

/** Where the Temporal Web UI shows this namespace; empty where no address is set. */
export const temporalNamespaceUrl = ({ TEMPORAL_UI_URL, TEMPORAL_NAMESPACE }: Config) =>
  TEMPORAL_UI_URL ? `${TEMPORAL_UI_URL.replace(/\/+$/, '')}/namespaces/${TEMPORAL_NAMESPACE}` : '';

/** Returns the value, or throws an Error that says which variable to set: for processes that cannot do without it. */
export function required<K extends keyof Config>(config: Config, name: K): NonNullable<Config[K]> {
  const value = config[name];
  if (value === undefined || value === null) {
    throw new Error(
      `${name} is not set. Set it to the server's address, or run \`npm start\`, which runs a local one.`,
    );
  }
  return value;
}
