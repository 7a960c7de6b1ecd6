// How visitors of a project sign in, and who they then are.
import { z } from 'zod';

export const authModes = ['none', 'embedded_only', 'external_api'] as const;
export const loginMethods = ['POST', 'PUT', 'PATCH'] as const;

const name = z.string().trim().min(1).max(200);
const path = z.string().trim().max(200);

/** Names as on the wire. Paths are dotted, into the JSON that the site's login answers: `data.user.id`, `users.0.id`. */
export const visitorLogin = z.object({
  /** none: nobody signs in. embedded_only: the page may bring a signed token. external_api: visitors sign in first. */
  auth_mode: z.enum(authModes).default('none'),
  login_url: z.union([z.url({ protocol: /^https?$/ }).max(2_000), z.literal('')]).default(''),
  login_method: z.enum(loginMethods).default('POST'),
  email_field: name.default('email'),
  password_field: name.default('password'),
  response_user_id_path: path.default('user.id'),
  /** Kept for those who set it; the site's own token is of no use here and is never stored. */
  response_token_path: path.default(''),
  response_name_path: path.default('user.name'),
  response_email_path: path.default('user.email'),
});
export type VisitorLogin = z.infer<typeof visitorLogin>;

export interface Visitor {
  userId: string;
  name: string | null;
  email: string | null;
}

export const maxVisitorToken = 8_000;

/** Who the visitor is, as the page says: kept and shown as such, and never believed. */
export const visitorClaims = z.object({
  userId: z.string().trim().max(500).optional(),
  name: z.string().trim().max(200).optional(),
  email: z.string().trim().max(254).optional(),
  meta: z
    .record(z.string().max(100), z.unknown())
    .refine((meta) => JSON.stringify(meta).length <= 4_000, 'must have 4,000 characters of JSON at most')
    .optional(),
});
export type VisitorClaims = z.infer<typeof visitorClaims>;

/** The text or number at a dotted path; undefined for anything else. */
export function textAt(value: unknown, dotted: string): string | undefined {
  if (dotted === '') return undefined;
  let found = value;
  for (const key of dotted.split('.')) {
    if (found === null || typeof found !== 'object' || !Object.hasOwn(found, key)) return undefined;
    found = (found as Record<string, unknown>)[key];
  }
  if (typeof found === 'number') return String(found);
  return typeof found === 'string' && found !== '' ? found.slice(0, 500) : undefined;
}
