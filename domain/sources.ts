// A source: pages of the web that become documents, and are visited again to keep them current.
import { z } from 'zod';
import { matches, pageUrl, siteOf } from './urls.ts';

/** What a crawl calls itself; rules for it in robots.txt go by the first part. */
export const crawlerName = 'FrontdeskBot';
export const userAgent = `Mozilla/5.0 (compatible; ${crawlerName}/1.0)`;

/** url: one page. sitemap: the pages that it lists. site: all pages that links lead to. */
export const sourceKind = z.enum(['url', 'sitemap', 'site']);
export type SourceKind = z.infer<typeof sourceKind>;

/** A host as it stands in a URL, with its port where it is not the usual one. */
const host = z
  .string()
  .max(260)
  .toLowerCase()
  .refine((text) => URL.parse(`http://${text}`)?.host === text, 'must be a host such as docs.example.com');

const pattern = z.string().min(1).max(500);

export const sourceSettings = z.object({
  /** How many links a page may be away from the start page. */
  maxDepth: z.number().int().min(0).max(100).default(10),
  maxPages: z.number().int().min(1).max(50_000).default(1_000),
  /** Other hosts that belong to the site; `www.` and the bare name are one host. */
  hosts: z.array(host).max(20).default([]),
  /** Paths with query, `*` for anything: only those that match one. Empty: all. */
  include: z.array(pattern).max(50).default([]),
  exclude: z.array(pattern).max(50).default([]),
  /** Least pause between two requests to a host, in milliseconds; robots.txt can ask for more. */
  delayMs: z.number().int().min(0).max(60_000).default(500),
});
export type SourceSettings = z.infer<typeof sourceSettings>;

export const crawlSchedule = z.object({
  everyMinutes: z.number().int().min(15).max(525_600),
  paused: z.boolean().default(false),
});
export type CrawlSchedule = z.infer<typeof crawlSchedule>;

/** One crawl of a source. */
export interface CrawlKey {
  projectId: string;
  sourceId: string;
  run: number;
}

export type RunStatus = 'queued' | 'running' | 'paused' | 'done' | 'failed' | 'cancelled';
export const isOpen = (status: RunStatus): boolean =>
  status === 'queued' || status === 'running' || status === 'paused';

/** What a visit found. gone: it is no longer there, or nothing leads to it. skipped: it is no document, see the reason. */
export const pageState = z.enum(['new', 'changed', 'unchanged', 'gone', 'failed', 'skipped']);
export type PageState = z.infer<typeof pageState>;

/** Pages by what became of them in a crawl, and those still to be visited. */
export type PageCounts = Record<PageState | 'waiting', number>;

export interface CrawlRun {
  run: number;
  status: RunStatus;
  trigger: 'api' | 'schedule';
  counts: PageCounts;
  /** It did not see the whole source (more pages than its limit, an unreadable sitemap), so nothing was retired. */
  partial: boolean;
  errorCode: string | null;
  errorMessage: string | null;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
}

export interface Source {
  id: string;
  kind: SourceKind;
  url: string;
  settings: SourceSettings;
  schedule: CrawlSchedule | null;
  createdAt: Date;
  updatedAt: Date;
}

/** What can be told to a crawl under way. */
export type CrawlOrder = 'pause' | 'resume' | 'cancel';

export interface Scope {
  /** Whether a page may be visited. */
  has(url: string): boolean;
  /** Whether it may become a document: the start page is visited for its links even where the patterns leave it out. */
  wants(url: string): boolean;
}

export function scopeOf({ kind, url, settings }: Pick<Source, 'kind' | 'url' | 'settings'>): Scope {
  const sites = new Set([new URL(url).host, ...settings.hosts].map(siteOf));
  const start = pageUrl(url);
  const wanted = (page: string) => {
    const { pathname, search } = new URL(page);
    const matchesPath = (one: string) => matches(one, pathname + search);
    const included = settings.include.length === 0 || settings.include.some(matchesPath);
    return included && !settings.exclude.some(matchesPath);
  };
  const patterned = kind !== 'url';
  return {
    has: (page) => sites.has(siteOf(new URL(page).host)) && (page === start || !patterned || wanted(page)),
    wants: (page) => !patterned || wanted(page),
  };
}
