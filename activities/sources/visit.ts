import { createHash } from 'node:crypto';
import { crawl as timing } from '../../domain/deadlines.ts';
import { type Scope, type SourceKind, userAgent } from '../../domain/sources.ts';
import { pageUrl } from '../../domain/urls.ts';
import { withLimits } from '../../outbound/limits.ts';
import { outboundErrorIn } from '../../outbound/outbound-error.ts';
import type { WaitingPage } from '../../stores/postgres/source-pages.ts';
import type { FoundPage, Visit } from '../../stores/postgres/source-visits.ts';
import { type PageReader, UnreadablePage } from './page-reader.ts';

/** A page that may be there later: tried again, with a pause that its server asked for where it did. */
export interface PassingFailure {
  kind: 'passing';
  reason: string;
  /** The whole host wants to be left alone for so long. */
  hostPauseMs?: number;
}

/** Changes when pages are read in another way: then all are ingested again. */
const reading = 1;
/** Pages beyond this are data, not text. */
const maxHtmlBytes = 10 * 1024 * 1024;

export interface VisitRules {
  kind: SourceKind;
  scope: Scope;
  maxDepth: number;
  /** Largest other file, a PDF, in bytes. */
  maxBytes: number;
}

/** Asks for one page, once, and says what it is. Redirects are not followed here: their target is a page of its own. */
export async function visitPage(
  deps: { safeFetch: typeof fetch; reader: PageReader },
  page: WaitingPage,
  rules: VisitRules,
  signal: AbortSignal,
): Promise<Visit | PassingFailure> {
  const onward = (links: readonly string[], depth: number): FoundPage[] =>
    depth > rules.maxDepth ? [] : links.filter(rules.scope.has).map((url) => ({ url, depth }));
  const linked = (links: readonly string[]) => (rules.kind === 'site' ? onward(links, page.depth + 1) : []);
  const remembered = linked(page.links);
  const failed = (reason: string): Visit => ({
    kind: 'failed',
    reason,
    found: linksOfUnreadable(page, rules.kind, remembered),
  });

  const limited = withLimits(deps.safeFetch, { totalMs: timing.page, maxBytes: rules.maxBytes });
  try {
    const response = await limited(page.url, { headers: headersFor(page), redirect: 'manual', signal });
    const { status, headers } = response;
    if (status !== 200) await response.body?.cancel();
    if (status === 304) return { kind: 'unchanged', found: remembered };
    if (status >= 300 && status < 400) {
      const target = pageUrl(headers.get('location') ?? '', page.url);
      if (!target) return failed(`It redirects to something that is not a page (status ${status}).`);
      const found = onward([target], page.depth);
      const hint = found.length > 0 ? '' : ', which is not part of this source';
      // The start page has to lead somewhere.
      if (found.length === 0 && page.depth === 0) return failed(`It redirects to ${target}${hint}.`);
      return { kind: 'skipped', reason: `It redirects to ${target}${hint}.`, found };
    }
    if (status === 404 || status === 410)
      return { kind: 'gone', reason: `There is no such page (status ${status}).`, found: [] };
    if (status === 401 || status === 403)
      return failed(`Its server does not let a crawler read it (status ${status}).`);
    if (status === 429 || (status === 503 && headers.has('retry-after'))) {
      return {
        kind: 'passing',
        reason: `Its server asked for a pause (status ${status}).`,
        hostPauseMs: retryAfterMs(headers.get('retry-after')),
      };
    }
    if (status === 408 || status >= 500) return passing(`Its server failed (status ${status}).`);
    if (status !== 200) return failed(`Its server answered with status ${status}.`);
    return await read(deps.reader, response, page, rules, linked);
  } catch (error) {
    if (signal.aborted) throw error;
    if (error instanceof UnreadablePage) return failed(error.message);
    const outbound = outboundErrorIn(error);
    if (!outbound) throw error;
    return outbound.retryable ? passing(outbound.message) : failed(outbound.message);
  }
}

/**
 * What an unreadable page led to the last time does not vanish with it. Only behind an unreadable start page nothing is
 * visited: the crawl fails, and all stays as it is.
 */
export function linksOfUnreadable(
  page: Pick<WaitingPage, 'depth'>,
  kind: SourceKind,
  remembered: readonly FoundPage[],
): readonly FoundPage[] {
  return kind === 'site' && page.depth > 0 ? remembered : [];
}

const passing = (reason: string): PassingFailure => ({ kind: 'passing', reason });

async function read(
  reader: PageReader,
  response: Response,
  page: WaitingPage,
  rules: VisitRules,
  linked: (links: readonly string[]) => FoundPage[],
): Promise<Visit> {
  const { headers } = response;
  const [, type = 'text/html', charset] =
    /^\s*([\w.+-]+\/[\w.+-]+)(?:.*?charset\s*=\s*["']?([\w:-]+))?/i.exec(headers.get('content-type') ?? '') ??
    [];
  const validators = { etag: headers.get('etag'), lastModified: headers.get('last-modified') };
  const mimeType = type.toLowerCase();
  const skipped = (reason: string, links: readonly string[] = []): Visit => ({
    kind: 'skipped',
    reason,
    links,
    found: linked(links),
    ...validators,
  });
  const content = (visit: {
    title: string;
    mimeType: string;
    filename: string | undefined;
    bytes: Uint8Array;
    links: readonly string[];
  }): Visit => ({
    kind: 'content',
    ...visit,
    ...validators,
    contentHash: hashOf(visit.title, visit.mimeType, visit.bytes),
    canonical: undefined,
    found: linked(visit.links),
  });

  if (!fileTypes.has(mimeType) && !pageTypes.has(mimeType)) {
    await response.body?.cancel();
    return skipped(`Files of the type ${mimeType} are not taken in.`);
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (fileTypes.has(mimeType)) {
    if (!rules.scope.wants(page.url)) return skipped(leftOut);
    if (headers.get('x-robots-tag')?.includes('noindex')) return skipped(noindex);
    const filename = fileNameOf(page.url);
    return content({ title: filename, mimeType, filename, bytes, links: [] });
  }
  if (bytes.byteLength > maxHtmlBytes) throw new UnreadablePage(`It has more than ${maxHtmlBytes} bytes.`);
  const said = await reader.read({ bytes, charset, url: page.url });
  if (said.noindex || headers.get('x-robots-tag')?.includes('noindex')) return skipped(noindex, said.links);
  if (!rules.scope.wants(page.url)) return skipped(leftOut, said.links);
  const canonical = said.canonical && rules.scope.has(said.canonical) ? said.canonical : undefined;
  if (!/[\p{L}\p{N}]/u.test(said.markdown)) {
    return skipped('It has no text of its own; it may be made by scripts in the browser.', said.links);
  }
  const visit = content({
    title: said.title,
    mimeType: 'text/markdown',
    filename: undefined,
    bytes: Buffer.from(said.markdown),
    links: said.links,
  });
  return { ...visit, canonical } as Visit;
}

const pageTypes = new Set(['text/html', 'application/xhtml+xml']);
/** Files that are ingested as they are. */
const fileTypes = new Set([
  'application/pdf',
  'text/plain',
  'text/markdown',
  'text/csv',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
]);

const leftOut = 'The patterns of the source leave it out.';
const noindex = 'It asks not to be found in searches (noindex).';

function headersFor({ etag, lastModified }: WaitingPage): Record<string, string> {
  return {
    'user-agent': userAgent,
    accept: 'text/html, application/xhtml+xml, application/pdf;q=0.9, */*;q=0.5',
    ...(etag ? { 'if-none-match': etag } : {}),
    ...(lastModified ? { 'if-modified-since': lastModified } : {}),
  };
}

/** Retry-After in seconds or as a date. */
function retryAfterMs(value: string | null): number {
  const seconds = Number(value ?? Number.NaN);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value ?? '') - Date.now();
  return Math.min(Number.isFinite(ms) ? Math.max(ms, 0) : timing.throttled, timing.throttledAtMost);
}

function hashOf(title: string, mimeType: string, bytes: Uint8Array): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([reading, title, mimeType]))
    .update(bytes)
    .digest();
}

function fileNameOf(url: string): string {
  const name = new URL(url).pathname.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(name).slice(0, 200);
  } catch {
    return name.slice(0, 200);
  }
}
