// The SmartChat dashboard's tenants, which are projects, and what their widget shows.
import { z } from 'zod';
import type { ApiKeyRecord } from '../../domain/auth.ts';
import { AppError } from '../../domain/errors.ts';
import { type ProjectSettings, positions, projectSettingsChange } from '../../domain/projects.ts';
import { newApiKey } from '../../stores/postgres/keys.ts';
import type { App, AppDependencies } from '../app.ts';
import { definedOf } from '../defined.ts';
import { actorOf, userOf } from '../plugins/access.ts';
import { createProject } from '../routes/projects.ts';
import { done, errors, ofTenant, success, adminTags as tags, tenantQuery } from './smartchat-shared.ts';

const name = z.string().trim().min(1).max(120);

export function smartChatTenantRoutes(app: App, deps: AppDependencies): void {
  const { stores, dispatcher } = deps;
  const params = z.object({ projectId: z.string() });
  const tenant = z.object({ id: z.string(), name: z.string(), created_at: z.string() });

  app.get(
    '/api/admin/tenants',
    {
      config: { signedIn: true },
      schema: {
        tags,
        summary: 'My projects',
        response: {
          200: z.object({ tenants: z.array(tenant.extend({ api_key_preview: z.string().nullable() })) }),
          ...errors,
        },
      },
    },
    async (request) => {
      const projects = await stores.projects.listOf(userOf(request).id);
      const tenants = projects.map(async ({ id, name, createdAt }) => ({
        id,
        name,
        api_key_preview: previewOf(await stores.keys.list(id)),
        created_at: createdAt.toISOString(),
      }));
      return { tenants: await Promise.all(tenants) };
    },
  );

  app.post(
    '/api/admin/tenants',
    {
      config: { signedIn: true },
      schema: {
        tags,
        summary: 'Create a project; its key is shown this once',
        body: z.object({ name }),
        response: { 200: tenant.extend({ api_key: z.string() }), ...errors },
      },
    },
    async (request) => {
      const { project, apiKey } = await createProject(stores, request, { name: request.body.name });
      const { id, createdAt } = project;
      return { id, name: project.name, api_key: apiKey, created_at: createdAt.toISOString() };
    },
  );

  app.put(
    '/api/admin/tenants/:projectId',
    {
      config: { role: 'admin' },
      schema: {
        tags,
        summary: 'Rename a project',
        params,
        body: z.object({ name }),
        response: { 200: tenant, ...errors },
      },
    },
    async (request) => {
      const { name } = request.body;
      const project = await stores.projects.change(request.projectId, { name }, actorOf(request));
      if (!project) throw new AppError('PROJECT_NOT_FOUND');
      return { id: project.id, name: project.name, created_at: project.createdAt.toISOString() };
    },
  );

  app.post(
    '/api/admin/tenants/:projectId/regenerate-key',
    {
      config: { role: 'admin' },
      schema: {
        tags,
        summary: "Put another key in the place of the project's ordinary key, which ends at once",
        params,
        response: { 200: z.object({ api_key: z.string() }), ...errors },
      },
    },
    async (request) => {
      const key = newApiKey('live');
      await stores.keys.replaceOrdinary(request.projectId, key, actorOf(request));
      return { api_key: key };
    },
  );

  app.delete(
    '/api/admin/tenants/:projectId',
    {
      config: { role: 'owner' },
      schema: {
        tags,
        summary: 'Delete a project with all it holds',
        params,
        response: { 200: done, ...errors },
      },
    },
    async (request) => {
      const dispatch = await stores.projects.delete(request.projectId, actorOf(request));
      if (!dispatch) throw new AppError('PROJECT_NOT_FOUND');
      dispatcher.startSoon(dispatch);
      return success;
    },
  );
}

const previewOf = (keys: readonly ApiKeyRecord[]): string | null => {
  const key = keys.find(({ kind }) => kind === 'ordinary') ?? keys[0];
  return key ? `${key.prefix}…` : null;
};

export function smartChatWidgetRoutes(app: App, { stores }: AppDependencies): void {
  const { primaryColor, welcomeMessage } = projectSettingsChange.shape;
  const view = z.object({
    primary_color: z.string(),
    greeting: z.string(),
    position: z.enum(positions),
    logo_url: z.string(),
  });
  const viewOf = (settings: ProjectSettings) => ({
    primary_color: settings.primaryColor,
    greeting: settings.welcomeMessage,
    position: settings.position,
    logo_url: settings.avatarUrl,
  });

  app.get(
    '/api/admin/widget/config',
    {
      config: ofTenant('viewer'),
      schema: {
        tags,
        summary: 'What the widget shows',
        querystring: tenantQuery,
        response: { 200: view, ...errors },
      },
    },
    async ({ projectId }) => {
      const project = await stores.projects.record(projectId);
      if (!project) throw new AppError('PROJECT_NOT_FOUND');
      return viewOf(project.settings);
    },
  );

  app.put(
    '/api/admin/widget/config',
    {
      config: ofTenant('admin'),
      schema: {
        tags,
        summary: 'Change what the widget shows',
        querystring: tenantQuery,
        body: z.object({
          primary_color: primaryColor,
          greeting: welcomeMessage,
          position: z.enum(positions).optional(),
          logo_url: projectSettingsChange.shape.avatarUrl.nullable(),
        }),
        response: { 200: view, ...errors },
      },
    },
    async (request) => {
      const { primary_color, greeting, position, logo_url } = request.body;
      const settings = definedOf({
        primaryColor: primary_color,
        welcomeMessage: greeting,
        position,
        avatarUrl: logo_url === null ? '' : logo_url,
      }) as Partial<ProjectSettings>;
      const project = await stores.projects.change(request.projectId, { settings }, actorOf(request));
      if (!project) throw new AppError('PROJECT_NOT_FOUND');
      return viewOf(project.settings);
    },
  );
}
