import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { FastifyReply } from 'fastify';
import { AppError } from '../../domain/errors.ts';
import type { App, AppDependencies } from '../app.ts';

const folder = new URL('../../widget/demo/', import.meta.url);
const contentTypes: Record<string, string> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

/** Pages that embed the widget as each kind of existing site does. */
const testPages = {
  '/test.html': {
    title: 'Widget with the visitor’s identity',
    text: 'The tag of a SmartChat page: the server is the one that the script came from.',
    tag: '<script src="/widget.js" data-api-key="{{widgetKey}}" data-user-id="u-1042" data-user-name="Ada" data-user-email="ada@example.com" data-user-meta=\'{"plan":"pro"}\'></script>',
  },
  '/widget-test.html': {
    title: 'Widget with the address of the chat call',
    text: 'The tag of an NDJSON widget page: the address is that of its chat call.',
    tag: '<script src="/widget/chat-widget.js" defer data-api-url="{{origin}}/chat" data-api-key="{{widgetKey}}" data-title="Orrelby" data-welcome-message="Hello. What would you like to know about lamps?" data-input-placeholder="Ask about lamps…" data-position="left" data-accent-color="#8a4b2a"></script>',
  },
};

/** The demo project's pages. Served in development only. */
export function demoRoutes(app: App, demo: NonNullable<AppDependencies['settings']['demo']>): void {
  const config = { public: true, limit: 'none' } as const;
  const page = async (reply: FastifyReply, html: string, values: Record<string, string>) => {
    const { widgetKey } = await demoKeys(demo.keysFile);
    const nonce = randomBytes(16).toString('base64');
    const { host, protocol } = reply.request;
    const all = {
      ...values,
      widgetKey,
      nonce,
      namespaceUrl: demo.namespaceUrl,
      origin: `${protocol}://${host}`,
    };
    // The strictest policy that a site may have: the widget has to work under it.
    const policy = `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'`;
    return reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', policy)
      .header('cache-control', 'no-store')
      .send(filled(html, all));
  };
  const file = (name: string) => readFile(new URL(name, folder), 'utf8');

  app.get('/demo', { config }, async (_request, reply) => page(reply, await file('demo.html'), {}));
  app.get('/headless-test.html', { config }, async (_request, reply) =>
    page(reply, await file('headless.html'), {}),
  );
  for (const [path, { title, text, tag }] of Object.entries(testPages)) {
    app.get(path, { config }, async (_request, reply) => {
      const html = (await file('test.html'))
        .replace('{{shown}}', () => escapeHtml(tag))
        .replace('{{script}}', () => tag.replace('<script', '<script nonce="{{nonce}}"'));
      return page(reply, html, { title, text });
    });
  }

  app.get<{ Params: { file: string } }>('/demo/:file', { config }, async (request, reply) => {
    const contentType = /^[a-z-]+\.(css|js|svg)$/.exec(request.params.file)?.[1];
    const bytes =
      contentType && (await readFile(new URL(request.params.file, folder)).catch(() => undefined));
    if (!bytes) return reply.callNotFound();
    return reply.header('content-type', contentTypes[contentType]).send(bytes);
  });
}

/** Made by the seed, which needs this API and so runs after it has started. */
async function demoKeys(file: string): Promise<{ widgetKey: string }> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new AppError('ROUTE_NOT_FOUND', {
      message: 'There is no demo project yet. Run `npm run seed`.',
      cause,
    });
  }
}

const filled = (html: string, values: Record<string, string>) =>
  html.replace(/\{\{(\w+)\}\}/g, (whole, name) => (name in values ? escapeHtml(values[name]!) : whole));

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** For the inside of an element or of an attribute in double quotes. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => entities[character]!);
}
