import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { leadField, leadModes } from '../../domain/leads.ts';
import { defaultWelcomeMessage, positions } from '../../domain/projects.ts';
import type { WidgetFile, WidgetFiles } from '../../widget/build.ts';
import type { App, AppDependencies } from '../app.ts';

/** A project's settings for its widget. The page's own attributes come before them. */
const config = z.object({
  chatbotName: z.string(),
  /** Empty: the widget greets in the visitor's language. */
  welcomeMessage: z.string(),
  primaryColor: z.string(),
  position: z.enum(positions),
  avatarUrl: z.string(),
  siteName: z.string(),
  siteUrl: z.string(),
  primaryLanguage: z.string(),
  suggestedQuestions: z.array(z.string()),
  /** What a visitor agrees to before leaving their address; empty: the widget's own words. */
  leadConsent: z.string(),
  leadMode: z.enum(leadModes),
  /** With mode `after`: this many answers first. */
  leadAfter: z.int(),
  leadFields: z.array(leadField),
  /** Until another code may be sent. */
  leadResendSeconds: z.int(),
  /** Whether visitors sign in at the site's own login before they ask. */
  requiresLogin: z.boolean(),
});

/** The widget's files and settings. */
export function widgetRoutes(app: App, { stores, widget }: Pick<AppDependencies, 'stores' | 'widget'>): void {
  const tags = ['Widget'];
  // Script files: a limit would break pages of busy sites behind one address.
  const open = { public: true, limit: 'none' } as const;

  // Under the name of each existing script tag.
  for (const path of ['/widget.js', '/widget/chat-widget.js']) {
    const schema = { tags, summary: 'The script of the widget' };
    app.get(path, { config: open, schema }, async (request, reply) =>
      // A new version is seen within five minutes, and costs no page a wait for it.
      send(request, reply, widget.get('widget.js'), 'public, max-age=300, stale-while-revalidate=86400'),
    );
  }

  const params = z.object({ file: z.string().regex(/^[a-z]+-[A-Z0-9]+\.js$/) });
  app.get(
    '/widget/:file',
    {
      config: open,
      schema: { params, tags, summary: 'A part of the widget that its script loads when it is needed' },
    },
    async (request, reply) => {
      const { file } = request.params;
      const found = widget.get(file);
      if (found) return send(request, reply, found, 'public, max-age=31536000, immutable');
      // A page that has kept an older script asks for an older part: today's does the same job.
      return send(request, reply, currentOf(widget, file), 'no-cache');
    },
  );

  app.get(
    '/v1/widget/config',
    {
      config: { scope: 'chat', role: 'viewer' },
      schema: {
        response: { 200: z.object({ config }) },
        tags,
        summary: "The project's settings for its widget",
      },
    },
    async (request, reply) => {
      const project = await stores.projects.get(request.projectId);
      if (!project) throw new AppError('INVALID_API_KEY');
      const { settings } = project;
      // Nothing of its own was set: the widget greets in the visitor's language.
      const welcomeMessage = settings.welcomeMessage === defaultWelcomeMessage ? '' : settings.welcomeMessage;
      const { mode, consent, afterAnswers, fields, resendSeconds } = settings.leads;
      const login = await stores.visitorLogins.get(request.projectId);
      // The key is in a header, so that no cache between here and the page may keep one project's for another.
      return reply.header('cache-control', 'private, max-age=60').send({
        config: {
          ...settings,
          welcomeMessage,
          leadConsent: consent?.text ?? '',
          leadMode: mode ?? 'off',
          leadAfter: afterAnswers,
          leadFields: fields,
          leadResendSeconds: resendSeconds,
          requiresLogin: login.settings.auth_mode === 'external_api',
        },
      });
    },
  );
}

function currentOf(widget: WidgetFiles, file: string): WidgetFile | undefined {
  const part = file.slice(0, file.indexOf('-') + 1);
  for (const [name, found] of widget) if (name.startsWith(part)) return found;
  return undefined;
}

function send(request: FastifyRequest, reply: FastifyReply, file: WidgetFile | undefined, caching: string) {
  if (!file) throw new AppError('ROUTE_NOT_FOUND');
  reply.headers({
    'cache-control': caching,
    etag: file.etag,
    // The same for every page, so that caches need not keep one for each; no cookies are meant.
    'access-control-allow-origin': '*',
    'cross-origin-resource-policy': 'cross-origin',
    vary: 'Accept-Encoding',
  });
  reply.removeHeader('access-control-allow-credentials');
  if (request.headers['if-none-match']?.includes(file.etag)) return reply.status(304).send();
  reply.type('text/javascript; charset=utf-8');
  if (!/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) return reply.send(file.body);
  return reply.header('content-encoding', 'gzip').send(file.gzip);
}
