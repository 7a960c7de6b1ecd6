import { z } from 'zod';
import { type ApiKeyRecord, keyEnvironments, keyKinds, scopes, scopesOfKind } from '../../domain/auth.ts';
import { AppError } from '../../domain/errors.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import { newApiKey } from '../../stores/postgres/keys.ts';
import type { App, AppDependencies } from '../app.ts';
import { actorOf } from '../plugins/access.ts';

/** A key as it is listed: never the key itself. */
export const keyView = z.object({
  id: z.uuid(),
  name: z.string(),
  kind: z.enum(keyKinds),
  environment: z.enum(keyEnvironments),
  scopes: z.array(z.enum(scopes)).readonly(),
  prefix: z.string(),
  createdAt: z.date(),
  expiresAt: z.date().nullable(),
  lastUsedAt: z.date().nullable(),
  publicSince: z.date().nullable().describe('When it was first sent from a web page'),
});
const shownOnce = z.object({ key: keyView, apiKey: z.string().describe('Shown this once') });
const name = z.string().trim().min(1).max(120);
const params = z.object({ projectId: z.string() });
const keyParams = params.extend({ keyId: z.string() });
const tags = ['Keys'];
const config = { role: 'admin', errors: ['KEY_NOT_FOUND'] } as const;

export function keyRoutes(app: App, { stores: { keys } }: Pick<AppDependencies, 'stores'>): void {
  const existing = async (projectId: string, keyId: string): Promise<ApiKeyRecord> => {
    const key = isUuid(keyId) ? await keys.get(projectId, keyId) : undefined;
    if (!key) throw new AppError('KEY_NOT_FOUND');
    return key;
  };

  app.get(
    '/projects/:projectId/keys',
    {
      config,
      schema: {
        tags,
        summary: 'The keys of a project',
        params,
        response: { 200: z.object({ keys: z.array(keyView) }) },
      },
    },
    async ({ projectId }) => ({ keys: await keys.list(projectId) }),
  );

  app.post(
    '/projects/:projectId/keys',
    {
      config,
      schema: {
        tags,
        summary: 'Make a key; it is shown this once',
        params,
        body: z.object({
          name,
          kind: z.enum(keyKinds),
          environment: z.enum(keyEnvironments).default('live'),
          scopes: z.array(z.enum(scopes)).min(1).describe('Fewer than its kind may have').optional(),
          expiresAt: z.coerce.date().optional(),
        }),
        response: { 201: shownOnce },
      },
    },
    async (request, reply) => {
      const { kind, environment, expiresAt } = request.body;
      const beyond = request.body.scopes?.filter((scope) => !scopesOfKind[kind].includes(scope)) ?? [];
      if (beyond.length > 0) {
        const message = `A ${kind} key cannot have the scope "${beyond[0]}". It may have: ${scopesOfKind[kind].join(', ')}.`;
        throw new AppError('INVALID_REQUEST', { message });
      }
      if (expiresAt && expiresAt <= new Date()) {
        throw new AppError('INVALID_REQUEST', { message: 'expiresAt must be in the future.' });
      }
      const apiKey = newApiKey(environment);
      const key = await keys.create(request.projectId, { ...request.body, key: apiKey }, actorOf(request));
      return reply.status(201).send({ key: key!, apiKey });
    },
  );

  app.patch(
    '/projects/:projectId/keys/:keyId',
    {
      config,
      schema: {
        tags,
        summary:
          'Rename a key, or take scopes from it: `{"scopes":["chat"]}` makes one safe that stands in a page',
        params: keyParams,
        body: z.object({ name: name.optional(), scopes: z.array(z.enum(scopes)).min(1).optional() }),
        response: { 200: z.object({ key: keyView }) },
      },
    },
    async (request) => {
      const { projectId } = request;
      const before = await existing(projectId, request.params.keyId);
      const added = request.body.scopes?.find((scope) => !before.scopes.includes(scope));
      if (added) {
        const message = `A key cannot be given more scopes (${added}): make another key.`;
        throw new AppError('INVALID_REQUEST', { message });
      }
      const key = await keys.change(projectId, before.id, request.body, actorOf(request));
      if (!key) throw new AppError('KEY_NOT_FOUND');
      return { key };
    },
  );

  app.post(
    '/projects/:projectId/keys/:keyId/rotate',
    {
      config,
      schema: {
        tags,
        summary: 'Put another key in its place; the old one ends at once, or after a grace',
        params: keyParams,
        body: z
          .object({ graceSeconds: z.number().int().min(0).max(604_800).default(0) })
          .default({ graceSeconds: 0 }),
        response: { 200: shownOnce },
      },
    },
    async (request) => {
      const { projectId } = request;
      const { id, environment } = await existing(projectId, request.params.keyId);
      const apiKey = newApiKey(environment);
      const { graceSeconds } = request.body;
      const key = await keys.rotate(projectId, id, { key: apiKey, graceSeconds }, actorOf(request));
      if (!key) throw new AppError('KEY_NOT_FOUND');
      return { key, apiKey };
    },
  );

  app.delete(
    '/projects/:projectId/keys/:keyId',
    { config, schema: { tags, summary: 'Revoke a key: it ends at once', params: keyParams } },
    async (request, reply) => {
      const { id } = await existing(request.projectId, request.params.keyId);
      if (!(await keys.revoke(request.projectId, id, actorOf(request)))) throw new AppError('KEY_NOT_FOUND');
      return reply.status(204).send();
    },
  );
}
