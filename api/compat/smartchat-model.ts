// The SmartChat dashboard's settings of the model.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError, ProviderError } from '../../domain/errors.ts';
import { keyedProviders, modelProviders } from '../../domain/models.ts';
import { type ProjectSettings, projectSettingsChange } from '../../domain/projects.ts';
import { newProviderKey } from '../../domain/provider-keys.ts';
import type { App, AppDependencies } from '../app.ts';
import { definedOf } from '../defined.ts';
import { actorOf } from '../plugins/access.ts';
import { adminTags as tags, errors, ofTenant, tenantQuery } from './smartchat-shared.ts';

const { model, temperature, maxOutputTokens, systemPrompt } = projectSettingsChange.shape;

const view = z.object({
  configured: z.boolean(),
  provider: z.enum(modelProviders),
  api_key_set: z.boolean(),
  api_key_preview: z.string().nullable(),
  base_url: z.string().nullable(),
  model: z.string(),
  temperature: z.number(),
  max_tokens: z.int(),
  system_prompt: z.string(),
});

const change = z.object({
  provider: z.enum(modelProviders).optional(),
  api_key: z.string().nullish(),
  base_url: z.string().nullish(),
  model,
  temperature,
  max_tokens: maxOutputTokens,
  system_prompt: systemPrompt,
});

export function smartChatModelRoutes(app: App, deps: AppDependencies): void {
  const { stores, providers } = deps;
  const config = ofTenant('admin');

  const shown = async (projectId: string): Promise<z.infer<typeof view>> => {
    const access = await stores.projects.access(projectId);
    if (!access) throw new AppError('PROJECT_NOT_FOUND');
    const { settings } = access;
    const own = (await stores.providerKeys.list(projectId)).find(
      ({ provider }) => provider === settings.provider,
    );
    return {
      configured: isConfigured(() => providers.generation(settings.provider, access, undefined)),
      provider: settings.provider,
      api_key_set: Boolean(own?.lastFour),
      api_key_preview: own?.lastFour ? previewOf(own.lastFour) : null,
      base_url: own?.baseUrl ?? null,
      model: settings.model,
      temperature: settings.temperature,
      max_tokens: settings.maxOutputTokens,
      system_prompt: settings.systemPrompt,
    };
  };

  app.get(
    '/api/admin/llm/config',
    {
      config,
      schema: {
        tags,
        summary: 'The model that answers, without its key',
        querystring: tenantQuery,
        response: { 200: view, ...errors },
      },
    },
    async ({ projectId }) => await shown(projectId),
  );

  app.put(
    '/api/admin/llm/config',
    {
      config,
      schema: {
        tags,
        summary: 'Choose the model that answers; an address that changes without a key forgets the key',
        querystring: tenantQuery,
        body: change,
        response: { 200: view, ...errors },
      },
    },
    async (request) => {
      const { api_key, base_url, provider, max_tokens, system_prompt, ...rest } = request.body;
      const before = await shown(request.projectId);
      await putKey(deps, request, provider ?? before.provider, request.body);
      const given = { ...rest, provider, maxOutputTokens: max_tokens, systemPrompt: system_prompt };
      const settings = definedOf(given) as Partial<ProjectSettings>;
      if (!(await stores.projects.change(request.projectId, { settings }, actorOf(request)))) {
        throw new AppError('PROJECT_NOT_FOUND');
      }
      return await shown(request.projectId);
    },
  );

  app.get(
    '/api/admin/llm/ollama-models',
    {
      config,
      schema: {
        tags,
        summary: 'The models of an Ollama server',
        querystring: tenantQuery.extend({ base_url: z.url({ protocol: /^https?$/ }).max(2_000) }),
        response: { 200: z.object({ models: z.array(z.string()) }), ...errors },
      },
    },
    async ({ projectId, query }) => {
      const keys = [{ provider: 'ollama', secret: null, baseUrl: query.base_url }] as const;
      try {
        return { models: await providers.models('ollama', { projectId, keys }) };
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error;
        throw new AppError('PROVIDER_FAILED', { message: error.message, cause: error });
      }
    },
  );
}

const previewOf = (lastFour: string) => `…${lastFour}`;

/** Whether the project, or the server for all, has access to its provider. */
function isConfigured(reach: () => unknown): boolean {
  try {
    reach();
    return true;
  } catch (error) {
    if (error instanceof ProviderError) return false;
    throw error;
  }
}

/**
 * Keeps the key and address that were given. A dashboard sends the address with every change, and the key only when it
 * was typed in: a new address alone must not get the old key, which its sender may not know.
 */
async function putKey(
  { stores: { providerKeys } }: AppDependencies,
  request: FastifyRequest,
  name: ProjectSettings['provider'],
  { api_key, base_url }: Pick<z.infer<typeof change>, 'api_key' | 'base_url'>,
): Promise<void> {
  const provider = keyedProviders.find((keyed) => keyed === name);
  if (!provider) return;
  const { projectId } = request;
  const own = (await providerKeys.list(projectId)).find((key) => key.provider === provider);
  const apiKey = api_key && !(own?.lastFour && api_key === previewOf(own.lastFour)) ? api_key : undefined;
  const baseUrl = (base_url === undefined ? own?.baseUrl : base_url) || undefined;
  if (!apiKey && baseUrl === (own?.baseUrl ?? undefined)) return;
  if (!apiKey && !baseUrl) {
    await providerKeys.remove(projectId, provider, actorOf(request));
    return;
  }
  const parsed = newProviderKey.safeParse({ apiKey, baseUrl });
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    const field = path[0] === 'apiKey' ? 'api_key' : 'base_url';
    throw new AppError('INVALID_REQUEST', { message: `The request is not valid: ${field}: ${message}.` });
  }
  if (provider === 'gemini' && baseUrl) {
    const message = 'gemini has no base_url of a project: use openai for a compatible server.';
    throw new AppError('INVALID_REQUEST', { message });
  }
  await providerKeys.put(projectId, provider, parsed.data, actorOf(request));
}
