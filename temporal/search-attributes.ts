import {
  defineSearchAttributeKey,
  type SearchAttributePair,
  TypedSearchAttributes,
} from '@temporalio/common';
import type { Dispatch } from '../domain/flows.ts';

/** What operators find flows by. Ids only: search attributes carry no personal data. */
export const searchAttributes = {
  projectId: defineSearchAttributeKey('projectId', 'KEYWORD'),
  conversationId: defineSearchAttributeKey('conversationId', 'KEYWORD'),
  documentId: defineSearchAttributeKey('documentId', 'KEYWORD'),
  leadId: defineSearchAttributeKey('leadId', 'KEYWORD'),
  sourceId: defineSearchAttributeKey('sourceId', 'KEYWORD'),
} as const;

export function searchAttributesOf({ input }: Pick<Dispatch, 'input'>): TypedSearchAttributes {
  const values = new Map<string, unknown>(Object.entries(input));
  const pairs = Object.values(searchAttributes).flatMap((key): SearchAttributePair[] => {
    const value = values.get(key.name);
    return typeof value === 'string' ? [{ key, value }] : [];
  });
  return new TypedSearchAttributes(pairs);
}
