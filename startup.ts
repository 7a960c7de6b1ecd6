import type { Logger } from 'pino';
import { authSecrets, type Config, encryptionKeys } from './config.ts';

/** Refuses what would be unsafe in production, all of it in one Error, and warns of what has no effect. */
export function checkStart(config: Config, logger: Pick<Logger, 'warn'>): void {
  for (const name of config.ignoredVariables) {
    logger.warn({ variable: name }, 'this variable of another system has no effect here');
  }
  if (config.NODE_ENV !== 'production') return;
  const problems = productionProblems(config);
  if (problems.length > 0) throw new Error(`Not fit for production:\n${problems.join('\n')}`);
  if (config.TRUST_PROXY === false && !config.ALLOW_PLAIN_HTTP) {
    logger.warn(
      'TRUST_PROXY is not set, so every request counts as plain HTTP and is refused. Set it to the proxy that ends TLS.',
    );
  }
}

function productionProblems(config: Config): string[] {
  const { ACCESS_SECRET, REFRESH_SECRET, AUTH_SECRET } = config;
  const secrets = Object.entries({ ACCESS_SECRET, REFRESH_SECRET, AUTH_SECRET });
  return [
    ...reasonOf(() => encryptionKeys(config)),
    ...reasonOf(() => authSecrets(config)),
    ...secrets
      .filter(([, value]) => value !== undefined && looksLikeDefault(value))
      .map(([name]) => `${name} looks like an example: make one with \`openssl rand -base64 32\`.`),
    ...(new Set(secrets.map(([, value]) => value)).size < secrets.length && ACCESS_SECRET
      ? ['ACCESS_SECRET, REFRESH_SECRET and AUTH_SECRET must differ from each other.']
      : []),
    ...(config.CORS_ORIGIN.includes('*')
      ? ["CORS_ORIGIN is '*': name the sites whose pages may use the keys."]
      : []),
    ...(config.FRONTEND_ORIGIN.includes('*') ? ["FRONTEND_ORIGIN is '*': name the dashboards."] : []),
  ];
}

function reasonOf(check: () => unknown): string[] {
  try {
    check();
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

/** Words that stand in examples, or hardly any different characters. */
const looksLikeDefault = (secret: string): boolean =>
  /change[-_ ]?me|example|secret|password|development|default|0123456789/i.test(secret) ||
  new Set(secret).size < 10;
