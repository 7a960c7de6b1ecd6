import { z } from 'zod';
import { crawlSchedule, pageState, sourceKind, sourceSettings } from '../../domain/sources.ts';

const webUrl = z
  .url({ protocol: /^https?$/, error: 'must be a complete http or https URL' })
  .max(2_000)
  .refine(
    (text) => !URL.parse(text)?.username && !URL.parse(text)?.password,
    'must hold no user name or password',
  );

export const createBody = z.object({
  kind: sourceKind.default('site'),
  url: webUrl,
  ...sourceSettings.shape,
  schedule: crawlSchedule.nullable().default(null),
  /** Whether the first crawl begins at once. */
  crawl: z.boolean().default(true),
});

/** All that can be changed, and nothing by default: what is not given stays. */
export const changeBody = z
  .strictObject({
    maxDepth: sourceSettings.shape.maxDepth.unwrap(),
    maxPages: sourceSettings.shape.maxPages.unwrap(),
    hosts: sourceSettings.shape.hosts.unwrap(),
    include: sourceSettings.shape.include.unwrap(),
    exclude: sourceSettings.shape.exclude.unwrap(),
    delayMs: sourceSettings.shape.delayMs.unwrap(),
    schedule: crawlSchedule.nullable(),
  })
  .partial();

export const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  before: z.uuid().optional(),
});
export const pagesQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  after: z.uuid().optional(),
  state: z.enum([...pageState.options, 'waiting']).optional(),
});
export const idParams = z.object({ sourceId: z.string() });

const counts = z.record(z.enum([...pageState.options, 'waiting']), z.number());
const crawlReply = z.object({
  run: z.number(),
  status: z.enum(['queued', 'running', 'paused', 'done', 'failed', 'cancelled']),
  trigger: z.enum(['api', 'schedule']),
  counts,
  partial: z.boolean(),
  errorCode: z.string().nullable(),
  errorMessage: z.string().nullable(),
  createdAt: z.date(),
  startedAt: z.date().nullable(),
  finishedAt: z.date().nullable(),
});
export const sourceReply = z.object({
  id: z.string(),
  kind: sourceKind,
  url: z.string(),
  ...z.object(sourceSettings.shape).shape,
  schedule: crawlSchedule.nullable(),
  createdAt: z.date(),
  updatedAt: z.date(),
  crawl: crawlReply.nullable().describe('the last one, or the one under way'),
});
export const oneSource = z.object({ source: sourceReply });
export const pageReply = z.object({
  id: z.string(),
  url: z.string(),
  depth: z.number(),
  waiting: z.boolean(),
  state: pageState.nullable(),
  reason: z.string().nullable(),
  documentId: z.string().nullable(),
  visitedAt: z.date().nullable(),
});
