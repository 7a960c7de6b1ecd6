// A project's CRM: where its leads are to be as contacts, and what became of each.
import { z } from 'zod';
import type { LeadStatus } from './leads.ts';

export const crmNames = ['hubspot'] as const;
export type CrmName = (typeof crmNames)[number];

/** What of a lead can be in a contact; beside these `fields.<key>`, as the project defines its fields. */
const leadValues = [
  'name',
  'firstName',
  'lastName',
  'language',
  'status',
  'assignee',
  'tags',
  'consentVersion',
  'consentAt',
  'createdAt',
  'verifiedAt',
] as const;

const mappedFrom = z.union([
  z.enum(leadValues),
  z.string().regex(/^fields\.[a-z][a-zA-Z0-9_]{0,39}$/, 'must be a value of a lead or fields.<key>'),
]);
const propertyName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,99}$/, "must be a property's internal name, such as firstname")
  .refine((name) => name !== 'email', 'is set by the address itself');

/** From a lead's value to the contact's property. The address is always there: contacts are known by it. */
export const crmMapping = z
  .record(mappedFrom, propertyName)
  .refine((mapping) => Object.keys(mapping).length <= 50, 'must have 50 entries at most')
  .refine((mapping) => new Set(Object.values(mapping)).size === Object.values(mapping).length, {
    error: 'must not fill a property twice',
  });
export type CrmMapping = z.infer<typeof crmMapping>;

/** HubSpot has these properties in every account. */
export const defaultMapping: CrmMapping = {
  firstName: 'firstname',
  lastName: 'lastname',
  'fields.phone': 'phone',
  'fields.company': 'company',
};

/** What the erasure of a visitor does with their contact. */
export const onErasure = ['delete', 'keep'] as const;
export type OnErasure = (typeof onErasure)[number];

export interface CrmConnection {
  crm: CrmName;
  /** All that is ever shown of the token. */
  lastFour: string;
  /** Null: the CRM's own address. */
  baseUrl: string | null;
  mapping: CrmMapping;
  onErasure: OnErasure;
  updatedAt: Date;
}

export const contactSyncStatuses = ['pending', 'synced', 'failed'] as const;
export type ContactSyncStatus = (typeof contactSyncStatuses)[number];

/** Where a lead stands in the CRM. */
export interface ContactSync {
  leadId: string;
  status: ContactSyncStatus;
  /** In the CRM; null before the first success. */
  contactId: string | null;
  attempts: number;
  /** Why it failed, or the last attempt did. */
  error: string | null;
  requestedAt: Date;
  finishedAt: Date | null;
}

/** A lead as its contact is made of it. */
export interface LeadForCrm {
  email: string;
  name: string;
  fields: Readonly<Record<string, string>>;
  consent: { version: string; at: string } | null;
  language: string;
  status: LeadStatus;
  assignee: string | null;
  tags: readonly string[];
  createdAt: Date;
  verifiedAt: Date;
}

/** The contact's properties. What the lead does not have is left as it is there. */
export function contactProperties(lead: LeadForCrm, mapping: CrmMapping): Record<string, string> {
  const [firstName = '', ...others] = lead.name.trim().split(/\s+/);
  const values: Record<(typeof leadValues)[number], string> = {
    name: lead.name,
    firstName,
    lastName: others.join(' '),
    language: lead.language,
    status: lead.status,
    assignee: lead.assignee ?? '',
    // As HubSpot writes several choices.
    tags: lead.tags.join(';'),
    consentVersion: lead.consent?.version ?? '',
    consentAt: lead.consent?.at ?? '',
    createdAt: lead.createdAt.toISOString(),
    verifiedAt: lead.verifiedAt.toISOString(),
  };
  const valueFor = (from: string): string =>
    from.startsWith('fields.')
      ? (lead.fields[from.slice('fields.'.length)] ?? '')
      : values[from as keyof typeof values];
  return Object.fromEntries(
    Object.entries(mapping)
      .map(([from, property]) => [property, valueFor(from)] as const)
      .filter(([, value]) => value !== ''),
  );
}
