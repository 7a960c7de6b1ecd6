import { expect } from 'vitest';
import { type createApiClient, eventually } from './api-client.ts';

/** What an integrator does with sources, and how a test looks at them. */
export function createSourceClient(api: ReturnType<typeof createApiClient>) {
  async function crawlEnds(sourceId: string, run = 1, withinMs = 40_000) {
    return await eventually(async () => {
      const { source } = (await api.call('GET', `/sources/${sourceId}`)).json;
      const open = ['queued', 'running', 'paused'].includes(source.crawl.status);
      return source.crawl.run >= run && !open ? source.crawl : undefined;
    }, withinMs);
  }

  return {
    crawlEnds,

    /** Without a pause between requests, unless the body says so. */
    async create(body: object): Promise<string> {
      const answer = await api.call('POST', '/sources', { delayMs: 0, ...body });
      expect(answer.status, answer.text).toBe(202);
      return answer.json.source.id;
    },

    async crawlAgain(sourceId: string) {
      const answer = await api.call('POST', `/sources/${sourceId}/crawl`);
      expect(answer.status, answer.text).toBe(202);
      return await crawlEnds(sourceId, answer.json.source.crawl.run);
    },

    /** What became of each page, by its path. */
    async outcomes(sourceId: string, url: string): Promise<Record<string, string>> {
      const { pages } = (await api.call('GET', `/sources/${sourceId}/pages?limit=1000`)).json;
      return Object.fromEntries(
        pages.map((page: { url: string; state: string; reason: string | null }) => [
          page.url.replace(url, ''),
          page.reason ? `${page.state}: ${page.reason.replaceAll(url, '')}` : page.state,
        ]),
      );
    },

    /** The documents of a site, once they are ready, by the path of their page. */
    async documentsOf(url: string) {
      const { documents } = (await api.call('GET', '/documents?limit=200')).json;
      const own = documents.filter((document: { source: string }) => document.source.startsWith(url));
      return Object.fromEntries(
        await Promise.all(
          own.map(async (document: { id: string; source: string }) => [
            document.source.replace(url, ''),
            await api.ready(document.id),
          ]),
        ),
      );
    },
  };
}
