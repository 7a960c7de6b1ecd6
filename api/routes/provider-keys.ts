import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { keyedProvider, newProviderKey, type ProviderKey } from '../../domain/provider-keys.ts';
import type { App, AppDependencies } from '../app.ts';
import { actorOf } from '../plugins/access.ts';

const ofProject = z.object({ projectId: z.uuid() });
const ofProvider = ofProject.extend({ provider: keyedProvider });

const shown = z.object({
  provider: keyedProvider,
  /** All that is ever shown of the key. */
  lastFour: z.string().nullable(),
  baseUrl: z.string().nullable(),
  updatedAt: z.iso.datetime(),
});

const toShown = ({ provider, lastFour, baseUrl, updatedAt }: ProviderKey) => ({
  provider,
  lastFour,
  baseUrl,
  updatedAt: updatedAt.toISOString(),
});

/** A project's own keys for models. They go in and never come out. */
export function providerKeyRoutes(app: App, deps: Pick<AppDependencies, 'stores'>): void {
  const config = { scope: 'admin', role: 'admin' } as const;
  const tags = ['Models'];
  const { providerKeys } = deps.stores;

  app.get(
    '/projects/:projectId/provider-keys',
    {
      config,
      schema: {
        summary: 'Whose models the project pays itself',
        tags,
        params: ofProject,
        response: { 200: z.object({ providerKeys: z.array(shown) }) },
      },
    },
    async (request) => ({ providerKeys: (await providerKeys.list(request.projectId)).map(toShown) }),
  );

  app.put(
    '/projects/:projectId/provider-keys/:provider',
    {
      config,
      schema: {
        summary: "Sets the project's own key, or the address of a compatible server",
        tags,
        params: ofProvider,
        body: newProviderKey,
        response: { 200: z.object({ providerKey: shown }) },
      },
    },
    async (request) => {
      const { projectId, params } = request;
      const { provider } = params;
      if (provider === 'gemini' && request.body.baseUrl !== undefined) {
        const message = 'gemini has no baseUrl of a project: use openai for a compatible server.';
        throw new AppError('INVALID_REQUEST', { message });
      }
      const key = await providerKeys.put(projectId, provider, request.body, actorOf(request));
      return { providerKey: toShown(key) };
    },
  );

  app.delete(
    '/projects/:projectId/provider-keys/:provider',
    {
      config,
      schema: { summary: "Forgets the project's own key", tags, params: ofProvider },
    },
    async (request, reply) => {
      const removed = await providerKeys.remove(request.projectId, request.params.provider, actorOf(request));
      if (!removed) throw new AppError('PROVIDER_KEY_NOT_FOUND');
      return reply.status(204).send();
    },
  );
}
