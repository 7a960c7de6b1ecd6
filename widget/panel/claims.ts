import type { Identity } from '../loader/options.ts';

/** What the page says, as the server takes it. */
export type Claims = Pick<Identity, 'userId' | 'name' | 'email' | 'meta'>;

/** Within the server's limits: a page that says too much must not lose its chat. Undefined: it says nothing. */
export function claimsOf(user: Identity | undefined): Claims | undefined {
  const text = (value: unknown, length: number) =>
    value === undefined || value === null ? undefined : String(value).slice(0, length);
  const { userId, name, email, meta } = user ?? {};
  const claims: Claims = {
    userId: text(userId, 500),
    name: text(name, 200),
    email: text(email, 254),
    meta: meta && JSON.stringify(meta).length <= 4_000 ? meta : undefined,
  };
  return Object.values(claims).some((value) => value !== undefined) ? claims : undefined;
}
