// Users, workspaces and who may do what in them.
import { z } from 'zod';
import { type Role, roles } from './auth.ts';

/** An address as it is stored and compared: in lower case. */
export const email = z.email().max(254).toLowerCase();

/** NIST SP 800-63B: length counts, rules on characters do not help. */
export const password = z.string().min(10, 'must have at least 10 characters').max(200);

export const personName = z.string().trim().min(1).max(120);

/** Wrong tries after which a code is dead. */
export const codeTries = 5;
/** Wrong passwords from one network after which it has to pause. */
export const passwordTries = 5;
/** The same for all networks together from which the user never signed in. */
export const unknownNetworkTries = 50;

export interface User {
  id: string;
  email: string;
  name: string;
  platformAdmin: boolean;
  createdAt: Date;
}

export interface Workspace {
  id: string;
  name: string;
  /** Of the user who asks. */
  role: Role;
  createdAt: Date;
}

export interface Member {
  userId: string;
  email: string;
  name: string;
  role: Role;
  createdAt: Date;
}

export const hasRole = (given: Role, needed: Role): boolean => roles.indexOf(given) >= roles.indexOf(needed);

/**
 * Whether `actor` may change a member from one role to another (null: not a member). Owners may do everything; admins
 * nothing that touches an owner.
 */
export function mayChangeRole(actor: Role, from: Role | null, to: Role | null): boolean {
  if (actor === 'owner') return true;
  return actor === 'admin' && from !== 'owner' && to !== 'owner';
}

/** Who did something, for the audit log. */
export interface Actor {
  type: 'user' | 'api_key' | 'operator' | 'system';
  id: string | null;
  ip: string | null;
}

export interface AuditEntry {
  workspaceId: string | null;
  projectId: string | null;
  action: string;
  objectType: string;
  objectId: string | null;
  details: Record<string, unknown>;
}
