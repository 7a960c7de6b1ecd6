// API keys: what they are made of and what they may do.
export const scopes = ['chat', 'documents', 'conversations', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** What a member may do in a workspace, each including those before it. */
export const roles = ['viewer', 'editor', 'admin', 'owner'] as const;
export type Role = (typeof roles)[number];

export type KeyKind = 'ordinary' | 'secret' | 'publishable';
export type KeyEnvironment = 'live' | 'test';

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
