import { readFile } from 'node:fs/promises';
import type { App } from '../app.ts';

const folder = new URL('../../widget/preview/', import.meta.url);
const contentTypes = { html: 'text/html', js: 'text/javascript', css: 'text/css' } as const;
/** An avatar may be anywhere; everything else is this server's. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' https:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/** A page that shows a project's widget before a site has it. Whoever opens it brings a key; the page knows none. */
export function widgetPreviewRoutes(app: App): void {
  for (const [path, name, type] of [
    ['/widget/preview', 'preview.html', 'html'],
    ['/widget/preview/preview.js', 'preview.js', 'js'],
    ['/widget/preview/preview.css', 'preview.css', 'css'],
  ] as const) {
    app.get(
      path,
      { config: { public: true, limit: 'none' }, schema: { hide: true } },
      async (_request, reply) =>
        reply
          .type(`${contentTypes[type]}; charset=utf-8`)
          .header('content-security-policy', policy)
          .header('cache-control', 'no-cache')
          .send(await readFile(new URL(name, folder))),
    );
  }
}
