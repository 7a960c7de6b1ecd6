import { z } from 'zod';
import { AppError, ProviderError } from '../../domain/errors.ts';
import { type ModelProvider, modelProviders } from '../../domain/models.ts';
import type { KeyHolder } from '../../providers/registry.ts';
import type { App, AppDependencies } from '../app.ts';

const provider = z.enum(modelProviders);
/** Which project's keys are used, where a member of several asks. */
const query = z.object({ projectId: z.uuid().optional() });

const health = z.object({
  provider,
  /** Whether the project, or the server for all, has access to it. */
  configured: z.boolean(),
  status: z.enum(['up', 'down', 'not configured']),
  milliseconds: z.number().nullable(),
  reason: z.string().nullable(),
});

type Dependencies = Pick<AppDependencies, 'stores' | 'providers' | 'settings'>;

/** What models a project can use, and whether those who run them answer. */
export function providerRoutes(app: App, { stores, providers, settings }: Dependencies): void {
  const config = { scope: 'documents', role: 'viewer' } as const;
  const tags = ['Models'];

  async function holderOf(projectId: string): Promise<KeyHolder> {
    const access = await stores.projects.access(projectId);
    if (!access) throw new AppError('PROJECT_NOT_FOUND');
    return access;
  }

  app.get(
    '/providers/:provider/models',
    {
      config,
      schema: {
        summary: 'The models that a provider offers',
        tags,
        params: z.object({ provider }),
        querystring: query,
        response: { 200: z.object({ provider, models: z.array(z.string()) }) },
      },
    },
    async (request) => {
      const holder = await holderOf(request.projectId);
      try {
        return {
          provider: request.params.provider,
          models: await providers.models(request.params.provider, holder),
        };
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error;
        throw new AppError('PROVIDER_FAILED', {
          message: error.message,
          details: {
            code: error.type,
            ...(error.retryAfterMs === undefined
              ? {}
              : { retryAfterSeconds: Math.ceil(error.retryAfterMs / 1000) }),
          },
          cause: error,
        });
      }
    },
  );

  // Asks each provider for its models, which costs nothing. Not in production: it tells what the server has access to.
  app.get(
    '/debug/provider-health',
    {
      config,
      schema: {
        summary: 'Whether the providers answer',
        tags,
        querystring: query,
        response: { 200: z.object({ providers: z.array(health) }) },
      },
    },
    async (request) => {
      if (!settings.providerHealth) throw new AppError('ROUTE_NOT_FOUND');
      const holder = await holderOf(request.projectId);
      return { providers: await Promise.all(modelProviders.map((name) => healthOf(name, holder))) };
    },
  );

  async function healthOf(name: ModelProvider, holder: KeyHolder): Promise<z.infer<typeof health>> {
    const began = performance.now();
    try {
      await providers.models(name, holder);
      const milliseconds = Math.round(performance.now() - began);
      return { provider: name, configured: true, status: 'up', milliseconds, reason: null };
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      const configured = error.kind !== 'not_configured';
      const status = configured ? 'down' : 'not configured';
      return { provider: name, configured, status, milliseconds: null, reason: error.message };
    }
  }
}
