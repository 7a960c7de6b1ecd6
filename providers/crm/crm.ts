// A CRM as contacts need it. One file a CRM; Temporal owns retrying.
import type { CrmName } from '../../domain/crm.ts';
import { createHubSpot } from './hubspot.ts';

export interface CrmContact {
  email: string;
  /** Beside the address, by the CRM's own names. */
  properties: Readonly<Record<string, string>>;
}

/** All throw ProviderError: in words for people, without anything of the contact. */
export interface Crm {
  /** Makes the contact with this address, or changes what is given of the one that is there. Idempotent. */
  upsert(contact: CrmContact, signal: AbortSignal): Promise<{ contactId: string }>;
  /** Deletes the contact with this address for good. False where there is none. */
  erase(email: string, signal: AbortSignal): Promise<boolean>;
}

export interface CrmAccess {
  token: string;
  /** Null: the CRM's own address. */
  baseUrl: string | null;
  /** safeFetch: a customer may have chosen the address. */
  fetch: typeof fetch;
}

export const connectCrm = (name: CrmName, access: CrmAccess): Crm =>
  ({ hubspot: createHubSpot })[name](access);
