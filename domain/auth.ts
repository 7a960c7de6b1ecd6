// API keys and roles: what they are made of and what they may do.
export const scopes = ['chat', 'documents', 'conversations', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** What a member may do in a workspace, each including those before it. */
export const roles = ['viewer', 'editor', 'admin', 'owner'] as const;
export type Role = (typeof roles)[number];

/** What a project's limits on sites need to know of a request. */
export interface SiteRules {
  allowedDomains: readonly string[];
  allowLocalhost: boolean;
}

/**
 * ordinary: the one key of the existing clients, which they put into pages and use from servers alike.
 * secret: for servers only. publishable: made to stand in a page.
 */
export const keyKinds = ['ordinary', 'secret', 'publishable'] as const;
export type KeyKind = (typeof keyKinds)[number];
export const keyEnvironments = ['live', 'test'] as const;
export type KeyEnvironment = (typeof keyEnvironments)[number];

export const scopesOfKind: Record<KeyKind, readonly Scope[]> = {
  ordinary: ['chat', 'documents', 'conversations'],
  secret: ['chat', 'documents', 'conversations', 'admin'],
  publishable: ['chat'],
};

export interface ApiKey {
  id: string;
  projectId: string;
  kind: KeyKind;
  environment: KeyEnvironment;
  scopes: readonly Scope[];
}

/** A key as its owner sees it: never the key itself. */
export interface ApiKeyRecord extends ApiKey {
  name: string;
  /** Its first characters, to tell keys apart. */
  prefix: string;
  createdAt: Date;
  expiresAt: Date | null;
  lastUsedAt: Date | null;
  /** When it was first sent from a page. */
  publicSince: Date | null;
}

/**
 * What a key may do in this request. An ordinary key is the one that existing sites put into their pages, so once a
 * browser sends it, it can chat and nothing else.
 */
export function effectiveScopes(
  key: Pick<ApiKey, 'kind' | 'scopes'>,
  fromBrowser: boolean,
): readonly Scope[] {
  if (!fromBrowser) return key.scopes;
  return key.scopes.filter((scope) => scope === 'chat');
}

/**
 * Whether a page at this origin may use the key. Sub-domains of an allowed domain are allowed, and localhost with a
 * test key or where the project says so. No allowlist allows every site; `fallback` is the server's own list, for
 * projects without one.
 */
export function isSiteAllowed(
  origin: string,
  key: Pick<ApiKey, 'environment'>,
  rules: SiteRules,
  fallback: readonly string[],
): boolean {
  if (hostOf(origin) === undefined) return false;
  if (rules.allowedDomains.length === 0 && fallback.length === 0) return true;
  return isSiteListed(origin, key, rules, fallback);
}

/** The same where no allowlist allows no site. */
export function isSiteListed(
  origin: string,
  key: Pick<ApiKey, 'environment'>,
  rules: SiteRules,
  fallback: readonly string[],
): boolean {
  const host = hostOf(origin);
  if (host === undefined) return false;
  const domains = rules.allowedDomains.length > 0 ? rules.allowedDomains : fallback;
  if (isLocalhost(host) && (key.environment === 'test' || rules.allowLocalhost)) return true;
  return domains.some((domain) => host === domain || host.endsWith(`.${domain}`));
}

const isLocalhost = (host: string) => host === 'localhost' || host === '127.0.0.1' || host === '[::1]';

/** The host of an Origin header, without port; undefined for `null` and for what is no origin. */
function hostOf(origin: string): string | undefined {
  return /^https?:\/\/(\[[0-9a-f:]+\]|[^/:]+)(:\d+)?$/i.exec(origin)?.[1]?.toLowerCase();
}
