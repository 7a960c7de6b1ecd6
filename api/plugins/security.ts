import { AppError } from '../../domain/errors.ts';
import type { App } from '../app.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered over plain HTTP in production too: for load balancers, which ask from inside. */
    plainHttp?: true;
  }
}

const headers = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'SAMEORIGIN',
  'referrer-policy': 'strict-origin-when-cross-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
};

/** A page of ours that says nothing else may load what lies beside it; no other reply is a page at all. */
const pagePolicy =
  "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; object-src 'none'";
const dataPolicy = "default-src 'none'; frame-ancestors 'none'";

/** Security headers on every reply; in production HSTS, and no plain HTTP. */
export function security(app: App, { httpsOnly }: { httpsOnly: boolean }): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ ...headers, 'x-request-id': request.id });
    if (!httpsOnly) return;
    reply.header('strict-transport-security', 'max-age=31536000; includeSubDomains');
    if (request.protocol !== 'https' && !request.routeOptions.config.plainHttp) {
      // No redirect: the key has been sent in the clear already, and its owner should notice.
      throw new AppError('HTTPS_REQUIRED');
    }
  });

  app.addHook('onSend', async (_request, reply) => {
    if (reply.hasHeader('content-security-policy')) return;
    const isPage = String(reply.getHeader('content-type') ?? '').startsWith('text/html');
    reply.header('content-security-policy', isPage ? pagePolicy : dataPolicy);
  });
}
