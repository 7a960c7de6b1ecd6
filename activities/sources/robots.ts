import robotsModule from 'robots-parser';
import { crawl as timing } from '../../domain/deadlines.ts';
import { crawlerName, userAgent } from '../../domain/sources.ts';
import { withLimits } from '../../outbound/limits.ts';
import { outboundErrorIn } from '../../outbound/outbound-error.ts';

// A CommonJS module whose types describe an ES module.
const robotsParser = robotsModule as unknown as typeof robotsModule.default;

/** What a host's robots.txt asks of us. */
export interface Robots {
  allows(url: string): boolean;
  /** Milliseconds between two requests. */
  delayMs: number;
  sitemaps: string[];
}

/** robots.txt cannot be read at the moment; the standard then forbids to visit anything. */
export class RobotsUnavailable extends Error {
  override name = 'RobotsUnavailable';
}

const maxBytes = 512 * 1024;
const maxKept = 500;

/** Reads each host's robots.txt once for each crawl in this process. */
export function createRobots(safeFetch: typeof fetch) {
  const limited = withLimits(safeFetch, { totalMs: timing.page, maxBytes });
  const kept = new Map<string, Promise<Robots>>();

  async function load(origin: string, signal: AbortSignal): Promise<Robots> {
    const url = `${origin}/robots.txt`;
    const host = new URL(origin).host;
    try {
      const response = await limited(url, { headers: { 'user-agent': userAgent }, signal });
      if (response.status >= 500 || response.status === 429) {
        await response.body?.cancel();
        throw new RobotsUnavailable(`The robots.txt of ${host} cannot be read (status ${response.status}).`);
      }
      // Whoever has none, or keeps it to himself, forbids nothing (RFC 9309).
      if (!response.ok) await response.body?.cancel();
      const text = response.ok ? await response.text() : '';
      const rules = robotsParser(url, text);
      return {
        allows: (page) => rules.isAllowed(page, crawlerName) ?? true,
        delayMs: Math.min((rules.getCrawlDelay(crawlerName) ?? 0) * 1000, timing.delayAtMost),
        sitemaps: rules.getSitemaps().flatMap((sitemap) => URL.parse(sitemap, url)?.href ?? []),
      };
    } catch (error) {
      const outbound = outboundErrorIn(error);
      if (outbound?.code === 'RESPONSE_TOO_LARGE') return { allows: () => true, delayMs: 0, sitemaps: [] };
      if (outbound?.retryable) {
        throw new RobotsUnavailable(`The robots.txt of ${host} cannot be read: ${outbound.message}`);
      }
      throw error;
    }
  }

  return {
    /** Throws RobotsUnavailable, or the OutboundError of a host that may not be called. */
    async of(crawlId: string, url: string, signal: AbortSignal): Promise<Robots> {
      const { origin } = new URL(url);
      const key = `${crawlId} ${origin}`;
      const known = kept.get(key);
      if (known) return await known;
      if (kept.size >= maxKept) kept.delete(kept.keys().next().value!);
      const loading = load(origin, signal);
      kept.set(key, loading);
      try {
        return await loading;
      } catch (error) {
        kept.delete(key);
        throw error;
      }
    },
  };
}
