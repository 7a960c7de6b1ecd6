import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SitePage {
  body?: string | Buffer;
  status?: number;
  type?: string;
  headers?: Record<string, string>;
  /** Sends no validators: its body has to be read each time. */
  unvalidated?: boolean;
  /** Answers by itself. */
  handle?: (request: IncomingMessage, response: ServerResponse) => void;
}

export interface SiteRequest {
  path: string;
  status: number;
  bytes: number;
  headers: IncomingMessage['headers'];
}

/** A website on this machine. A page is looked up by its path with query; what is not there is 404. */
export async function startSite(
  pageAt: (path: string) => SitePage | undefined,
): Promise<{ url: string; requests: SiteRequest[]; close: () => Promise<void> }> {
  const requests: SiteRequest[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '/';
    const page = pageAt(path) ?? { status: 404, body: 'Not here' };
    const entry = { path, status: 0, bytes: 0, headers: request.headers };
    requests.push(entry);
    response.on('close', () => {
      entry.status = response.statusCode;
    });
    if (page.handle) return page.handle(request, response);
    const { body = '', status = 200, type = 'text/html; charset=utf-8', headers = {} } = page;
    const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 16)}"`;
    if (status === 200 && !page.unvalidated && request.headers['if-none-match'] === etag) {
      response.writeHead(304, { etag, ...headers }).end();
      return;
    }
    entry.bytes = Buffer.byteLength(body);
    response
      .writeHead(status, { 'content-type': type, ...(page.unvalidated ? {} : { etag }), ...headers })
      .end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Enough words that a page counts as one. */
export const sentence = 'Everything that the lamp shop sells can be looked at in the old mill by the river. ';

/** Sites from a table of pages by their paths, which tests may change. */
export function createSites() {
  const sites: { close: () => Promise<void> }[] = [];
  return {
    async site(pages: Record<string, SitePage | string>) {
      const started = await startSite((path) => {
        const page = pages[path];
        return typeof page === 'string' ? { body: page } : page;
      });
      sites.push(started);
      return { ...started, pages };
    },

    async close(): Promise<void> {
      for (const site of sites.splice(0)) await site.close();
    },
  };
}

/** A page as sites have them: navigation, a banner and a footer around what it says. */
export function sitePage(title: string, text: string, links: readonly string[] = [], head = ''): string {
  const anchors = links.map((link) => `<a href="${link}">${link}</a>`).join(' ');
  return `<!doctype html><html lang="en"><head><title>${title} – Lamp shop</title>${head}</head><body>
    <header><nav><a href="/">Home</a></nav></header><div class="cookie-banner">We use cookies.</div>
    <main><h1>${title}</h1><p>${text}</p><p>${anchors}</p></main><footer>Imprint of the lamp shop</footer></body></html>`;
}
