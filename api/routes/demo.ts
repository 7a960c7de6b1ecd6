import { readFile } from 'node:fs/promises';
import { AppError } from '../../domain/errors.ts';
import type { App, AppDependencies } from '../app.ts';

const folder = new URL('../../widget/demo/', import.meta.url);
const contentTypes: Record<string, string> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

/** The demo project's page with its chat. Served in development only. */
export function demoRoutes(app: App, demo: NonNullable<AppDependencies['settings']['demo']>): void {
  const config = { public: true, limit: 'none' } as const;

  app.get('/demo', { config }, async (_request, reply) => {
    const { widgetKey } = await demoKeys(demo.keysFile);
    const page = (await readFile(new URL('demo.html', folder), 'utf8'))
      .replace('{{widgetKey}}', () => escapeHtml(widgetKey))
      .replace('{{namespaceUrl}}', () => escapeHtml(demo.namespaceUrl));
    return reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-security-policy', "default-src 'self'; base-uri 'none'; form-action 'self'")
      .send(page);
  });

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

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** For the inside of an element or of an attribute in double quotes. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => entities[character]!);
}
