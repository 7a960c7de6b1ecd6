import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { hasRole } from '../../domain/accounts.ts';
import type { ApiKeyRecord } from '../../domain/auth.ts';
import { AppError } from '../../domain/errors.ts';
import { type ProjectRecord, type ProjectSettings, projectSettings } from '../../domain/projects.ts';
import type { Stores } from '../../stores/postgres/index.ts';
import { newApiKey } from '../../stores/postgres/keys.ts';
import type { App, AppDependencies } from '../app.ts';
import { auditQuery, auditView } from '../audit.ts';
import { actorOf, userOf } from '../plugins/access.ts';
import { projectBody, projectView, settingsOf, viewOf } from '../project-view.ts';
import { keyView } from './keys.ts';

const params = z.object({ projectId: z.string() });
const warning = z.object({ code: z.literal('KEY_IS_PUBLIC'), keyId: z.uuid(), message: z.string() });
const tags = ['Projects'];

/**
 * Creates a project with its ordinary key, in the workspace or the first in which the user may. Throws
 * WORKSPACE_NOT_FOUND and INSUFFICIENT_ROLE.
 */
export async function createProject(
  { workspaces, projects }: Pick<Stores, 'workspaces' | 'projects'>,
  request: FastifyRequest,
  given: { workspaceId?: string | undefined; name: string; settings?: Partial<ProjectSettings> },
): Promise<{ project: ProjectRecord; apiKey: string }> {
  const { workspaceId: wanted, name, settings } = given;
  const mine = await workspaces.listOf(userOf(request).id);
  const workspace = mine.find(({ id, role }) => (wanted ? id === wanted : hasRole(role, 'admin')));
  if (!workspace) throw new AppError(wanted ? 'WORKSPACE_NOT_FOUND' : 'INSUFFICIENT_ROLE');
  if (!hasRole(workspace.role, 'admin')) throw new AppError('INSUFFICIENT_ROLE');
  const apiKey = newApiKey('live');
  const project = await projects.createIn(
    workspace.id,
    { name, settings: projectSettings.parse(settings ?? {}) },
    { key: apiKey, name: 'Project key', kind: 'ordinary', environment: 'live' },
    actorOf(request),
  );
  return { project, apiKey };
}

export function projectRoutes(app: App, { stores, dispatcher, settings }: AppDependencies): void {
  const { projects, keys } = stores;

  const found = async (projectId: string) => {
    const project = await projects.record(projectId);
    if (!project) throw new AppError('PROJECT_NOT_FOUND');
    return project;
  };

  app.get(
    '/projects',
    {
      config: { signedIn: true },
      schema: {
        tags,
        summary: 'The projects of my workspaces',
        querystring: z.object({ workspaceId: z.uuid().optional() }),
        response: { 200: z.object({ projects: z.array(projectView) }) },
      },
    },
    async (request) => {
      const list = await projects.listOf(userOf(request).id, request.query.workspaceId);
      return { projects: list.map(viewOf) };
    },
  );

  app.post(
    '/projects',
    {
      config: { signedIn: true, errors: ['WORKSPACE_NOT_FOUND', 'INSUFFICIENT_ROLE'] },
      schema: {
        tags,
        summary: 'Create a project; its key is shown this once',
        body: projectBody.extend({
          name: z.string().trim().min(1).max(120),
          workspaceId: z
            .uuid()
            .describe('By default the first one that you may create projects in')
            .optional(),
        }),
        response: { 201: z.object({ project: projectView, apiKey: z.string() }) },
      },
    },
    async (request, reply) => {
      const { workspaceId, ...body } = request.body;
      const settings = settingsOf(body);
      const { project, apiKey } = await createProject(stores, request, {
        workspaceId,
        name: body.name,
        settings,
      });
      return reply.status(201).send({ project: viewOf(project), apiKey });
    },
  );

  app.get(
    '/projects/:projectId',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'A project with its settings, and what should be looked at',
        params,
        response: { 200: z.object({ project: projectView, warnings: z.array(warning) }) },
      },
    },
    async ({ projectId }) => {
      const [project, list] = await Promise.all([found(projectId), keys.list(projectId)]);
      return { project: viewOf(project), warnings: list.flatMap(warningOf) };
    },
  );

  app.patch(
    '/projects/:projectId',
    {
      config: { role: 'admin', errors: ['EMBEDDING_IN_USE'] },
      schema: {
        tags,
        summary: 'Change what is given; `active: false` refuses all its keys',
        params,
        body: projectBody.extend({ active: z.boolean().optional() }),
        response: { 200: z.object({ project: projectView }) },
      },
    },
    async (request) => {
      const { active, ...body } = request.body;
      const change = { name: body.name, active, settings: settingsOf(body) };
      const project = await projects.change(request.projectId, change, actorOf(request));
      if (!project) throw new AppError('PROJECT_NOT_FOUND');
      return { project: viewOf(project) };
    },
  );

  app.delete(
    '/projects/:projectId',
    {
      config: { role: 'owner' },
      schema: {
        tags,
        summary: 'Delete a project with all it holds; a receipt follows',
        params,
        response: { 202: z.object({ message: z.string() }) },
      },
    },
    async (request, reply) => {
      const dispatch = await projects.delete(request.projectId, actorOf(request));
      if (!dispatch) throw new AppError('PROJECT_NOT_FOUND');
      dispatcher.startSoon(dispatch);
      const message = "Its keys work no longer. The receipt is among the workspace's project deletions.";
      return reply.status(202).send({ message });
    },
  );

  app.post(
    '/projects/:projectId/rotate-key',
    {
      config: { role: 'admin' },
      schema: {
        tags,
        summary: "Put another key in the place of the project's ordinary key, which ends at once",
        params,
        response: { 200: z.object({ apiKey: z.string() }) },
      },
    },
    async (request) => {
      const apiKey = newApiKey('live');
      await keys.replaceOrdinary(request.projectId, apiKey, actorOf(request));
      return { apiKey };
    },
  );

  app.get(
    '/projects/:projectId/widget',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'The script tag for a page, and the settings it starts with',
        params,
        response: {
          200: z.object({
            scriptUrl: z.string(),
            snippet: z.string(),
            previewUrl: z.string().describe('A page that shows the widget for a key.'),
            settings: z.record(z.string(), z.unknown()),
            publishableKeys: z.array(keyView),
          }),
        },
      },
    },
    async (request) => {
      const project = await found(request.projectId);
      const { chatbotName, welcomeMessage, primaryColor, position, avatarUrl, primaryLanguage } =
        project.settings;
      const base = settings.appBaseUrl ?? addressOf(request);
      const publishable = (await keys.list(request.projectId)).filter((key) => key.kind === 'publishable');
      return {
        scriptUrl: `${base}/widget.js`,
        snippet: snippetFor(base),
        previewUrl: `${base}/widget/preview`,
        settings: { chatbotName, welcomeMessage, primaryColor, position, avatarUrl, primaryLanguage },
        publishableKeys: publishable,
      };
    },
  );

  app.get(
    '/projects/:projectId/integration',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'All that an integrator needs, but for the keys themselves',
        params,
        response: {
          200: z.object({
            projectId: z.uuid(),
            apiBaseUrl: z.string(),
            openApiUrl: z.string(),
            keys: z.array(keyView),
            allowedDomains: z.array(z.string()),
            snippet: z.string(),
            examples: z.record(z.string(), z.string()),
          }),
        },
      },
    },
    async (request) => {
      const project = await found(request.projectId);
      const base = settings.appBaseUrl ?? addressOf(request);
      const curl = (path: string, body: object) =>
        `curl ${base}${path} -H 'x-api-key: YOUR_KEY' -H 'content-type: application/json' -d '${JSON.stringify(body)}'`;
      return {
        projectId: project.id,
        apiBaseUrl: base,
        openApiUrl: `${base}/v1/openapi.json`,
        keys: await keys.list(request.projectId),
        allowedDomains: project.settings.allowedDomains,
        snippet: snippetFor(base),
        examples: {
          upload: curl('/upload-doc', {
            content: '# Opening hours\n\nMonday to Friday, 9 to 5.',
            metadata: {},
          }),
          chat: curl('/chat', { message: 'When are you open?' }),
        },
      };
    },
  );

  app.get(
    '/projects/:projectId/audit-log',
    {
      config: { role: 'admin' },
      schema: {
        tags,
        summary: 'Who did what in the project, newest first',
        params,
        querystring: auditQuery,
        response: { 200: z.object({ entries: z.array(auditView) }) },
      },
    },
    async (request) => ({ entries: await stores.audit.ofProject(request.projectId, request.query) }),
  );
}

function warningOf(key: ApiKeyRecord): z.infer<typeof warning>[] {
  if (key.publicSince === null || !key.scopes.some((scope) => scope !== 'chat')) return [];
  const message =
    `The key ${key.prefix}… is in a web page since ${key.publicSince.toISOString().slice(0, 10)}, where everybody can ` +
    'read it. Narrow it to chat (PATCH its scopes to ["chat"]) and use another key on your servers.';
  return [{ code: 'KEY_IS_PUBLIC', keyId: key.id, message }];
}

/** The address under which this request reached us. */
const addressOf = (request: FastifyRequest) => `${request.protocol}://${request.host}`;

const snippetFor = (base: string) =>
  `<script src="${base}/widget.js" data-api-key="YOUR_PUBLISHABLE_KEY" defer></script>`;
