import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { ErrorLevel, XMLToSitemapIndexStream, XMLToSitemapItemStream } from 'sitemap';
import { crawl as timing } from '../../domain/deadlines.ts';
import { userAgent } from '../../domain/sources.ts';
import { pageUrl } from '../../domain/urls.ts';
import { withLimits } from '../../outbound/limits.ts';
import { outboundErrorIn } from '../../outbound/outbound-error.ts';

/** The size that the protocol allows, packed or not. */
const maxBytes = 50 * 1024 * 1024;
/** Files that one crawl reads: an index names others. */
const maxFiles = 50;

/** A sitemap cannot be used, with a reason for its owner. */
export class SitemapProblem extends Error {
  override name = 'SitemapProblem';
}

class NoSitemap extends SitemapProblem {}

/**
 * The addresses in sitemaps and in those that they name, each once, `limit` at most. With `mustExist`, throws
 * SitemapProblem where the first one cannot be read. Others that cannot are left out, and then the result is not
 * `complete`; a sitemap that does not exist is none.
 */
export async function readSitemaps(
  safeFetch: typeof fetch,
  urls: readonly string[],
  options: { limit: number; mustExist: boolean; has: (url: string) => boolean; signal: AbortSignal },
): Promise<{ urls: string[]; complete: boolean }> {
  const limited = withLimits(safeFetch, { totalMs: timing.page, maxBytes });
  const pages = new Set<string>();
  const files = [...urls];
  let complete = true;
  for (let n = 0; n < files.length && n < maxFiles && pages.size < options.limit; n++) {
    const url = files[n]!;
    try {
      for await (const entry of entriesOf(limited, url, options.signal)) {
        const found = entry.url === '' ? undefined : pageUrl(entry.url, url);
        if (!found) continue;
        if (entry.isSitemap) files.push(found);
        else if (options.has(found)) pages.add(found);
        if (pages.size >= options.limit) break;
      }
    } catch (error) {
      if (options.signal.aborted) throw error;
      if (n > 0 || !options.mustExist) {
        if (!(error instanceof NoSitemap)) complete = false;
        continue;
      }
      const reason = outboundErrorIn(error)?.message ?? (error as Error).message;
      throw new SitemapProblem(`The sitemap cannot be read: ${reason}`);
    }
  }
  return { urls: [...pages], complete: complete && files.length <= maxFiles };
}

async function* entriesOf(
  limited: typeof fetch,
  url: string,
  signal: AbortSignal,
): AsyncGenerator<{ url: string; isSitemap: boolean }> {
  const response = await limited(url, { headers: { 'user-agent': userAgent }, signal });
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    const Problem = response.status === 404 || response.status === 410 ? NoSitemap : SitemapProblem;
    throw new Problem(`its server answered with status ${response.status}.`);
  }
  let body: Readable = Readable.fromWeb(response.body as never);
  if (new URL(response.url || url).pathname.endsWith('.gz')) body = body.pipe(createGunzip());
  const text = decoded(body, signal);
  const { value: start = '' } = await text.next();
  const all = joined(start, text);
  if (!/^\s*</.test(start)) {
    let rest = '';
    for await (const part of all) {
      const lines = (rest + part).split(/\r?\n/);
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim()) yield { url: line, isSitemap: false };
    }
    if (rest.trim()) yield { url: rest, isSitemap: false };
    return;
  }
  const isSitemap = /<sitemapindex[\s>]/i.test(start);
  const level = ErrorLevel.SILENT;
  const parser = isSitemap ? new XMLToSitemapIndexStream({ level }) : new XMLToSitemapItemStream({ level });
  const source = Readable.from(all);
  source.on('error', (error) => parser.destroy(error));
  for await (const item of source.pipe(parser) as AsyncIterable<{ url: string }>)
    yield { url: item.url, isSitemap };
}

/** Text in parts, the first one long enough to tell what it is; packed text may not unpack into more than the limit. */
async function* decoded(body: Readable, signal: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let bytes = 0;
  let start = '';
  let begun = false;
  for await (const part of body as AsyncIterable<Uint8Array>) {
    signal.throwIfAborted();
    bytes += part.byteLength;
    if (bytes > maxBytes) throw new SitemapProblem(`it is larger than ${maxBytes} bytes.`);
    const text = decoder.decode(part, { stream: true });
    if (begun) yield text;
    else {
      start += text;
      if (start.length < 4_096) continue;
      begun = true;
      yield start;
    }
  }
  if (!begun) yield start;
}

async function* joined(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}
