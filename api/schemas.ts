// Parts of replies that several routes share. A reply holds what its schema names, and nothing else.
import { z } from 'zod';
import type { TurnStatus } from '../domain/chat.ts';
import type { DocumentStatus } from '../domain/ingestion.ts';

/** A place in a sequence, as a query says it: what fits into a column of PostgreSQL. */
export const position = z.coerce.number().int().min(0).max(2_147_483_647);

export const source = z.object({
  documentId: z.string(),
  title: z.string(),
  heading: z.string().describe('The headings above the quote, joined with " › ".'),
  page: z.int().optional().describe('From 1; absent where the document has no pages.'),
  quote: z.string().describe('Stands verbatim in the document.'),
  score: z.number().describe('0 to 1.'),
});

export const personOffer = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('lead') }),
    z.object({ type: z.literal('email'), email: z.string() }),
  ])
  .describe('How the visitor can reach a person, where the project offers it and there is no answer.');
export const closestDocument = z.object({ documentId: z.string(), title: z.string() });

const turnStatuses = ['queued', 'running', 'answered', 'declined', 'cancelled', 'failed'] as const;
export const turnStatus = z.enum(turnStatuses satisfies readonly TurnStatus[]);

const documentStatuses = ['queued', 'processing', 'ready', 'failed', 'cancelled'] as const;
export const documentStatus = z.enum(documentStatuses satisfies readonly DocumentStatus[]);

/** The reply of a route that streams lines of JSON; each line is one of these. */
export const linesOf = (line: z.ZodType, description: string) => ({
  description,
  content: { 'application/x-ndjson': { schema: line } },
});

/** The reply of a route that streams server-sent events. */
export const eventsOf = (description: string) => ({
  description,
  content: { 'text/event-stream': { schema: z.string() } },
});

/** The same body with every field left out at will, and without defaults: what a change is made of. */
export function changeOf<S extends z.ZodRawShape>(body: z.ZodObject<S>) {
  const fields = Object.entries(body.shape).map(([name, field]) => [
    name,
    z.optional(field instanceof z.ZodDefault ? field.unwrap() : field),
  ]);
  return z.object(Object.fromEntries(fields)) as unknown as z.ZodObject<{
    [K in keyof S]: z.ZodOptional<S[K] extends z.ZodDefault<infer T> ? T : S[K]>;
  }>;
}
