import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A customer's site: another origin than the server's, with whatever pages and headers a test gives it. */
export async function startSite(): Promise<{
  url: string;
  /** Serves this page, whatever the path. */
  serve(html: string, headers?: Record<string, string>): void;
  close(): Promise<void>;
}> {
  let page = { html: '', headers: {} as Record<string, string> };
  const server = createServer((request, response) => {
    if (request.url === '/favicon.ico') return response.writeHead(204).end();
    return response
      .writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...page.headers })
      .end(page.html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    serve(html, headers = {}) {
      page = { html, headers };
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
