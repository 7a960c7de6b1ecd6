// The SmartChat dashboard's settings of how visitors sign in.
import { z } from 'zod';
import { visitorLogin } from '../../domain/visitor-logins.ts';
import type { StoredLogin } from '../../stores/postgres/visitor-logins.ts';
import type { App, AppDependencies } from '../app.ts';
import { definedOf } from '../defined.ts';
import { changeOf } from '../schemas.ts';
import { errors, ofTenant, adminTags as tags, tenantQuery } from './smartchat-shared.ts';

/** Stands for a header's value, which may be a secret; sent back, it leaves the value as it is. */
const hidden = '********';

const headers = z.record(
  z.string().regex(/^[A-Za-z0-9-]{1,100}$/, 'must be the name of a header'),
  z
    .string()
    .max(4_000)
    .regex(/^[\t\x20-\x7e]*$/, 'must be one line of ASCII'),
);
const view = visitorLogin.extend({
  extra_headers: z.record(z.string(), z.string()),
  secret_set: z.boolean(),
});
const change = changeOf(visitorLogin).extend({ extra_headers: headers.optional() });

const viewOf = ({ settings, extraHeaders, hasSecret }: StoredLogin): z.infer<typeof view> => ({
  ...settings,
  extra_headers: Object.fromEntries(Object.keys(extraHeaders).map((name) => [name, hidden])),
  secret_set: hasSecret,
});

export function smartChatLoginRoutes(app: App, { stores: { visitorLogins } }: AppDependencies): void {
  const config = ofTenant('admin');

  app.get(
    '/api/admin/auth/config',
    {
      config,
      schema: {
        tags,
        summary: 'How visitors sign in; values of extra headers are hidden',
        querystring: tenantQuery,
        response: { 200: view, ...errors },
      },
    },
    async ({ projectId }) => viewOf(await visitorLogins.get(projectId)),
  );

  app.put(
    '/api/admin/auth/config',
    {
      config,
      schema: {
        tags,
        summary: 'Change how visitors sign in',
        querystring: tenantQuery,
        body: change,
        response: { 200: view, ...errors },
      },
    },
    async ({ projectId, body }) => {
      const before = await visitorLogins.get(projectId);
      const { extra_headers: given, ...rest } = body;
      const settings = { ...before.settings, ...definedOf(rest) };
      const extraHeaders = given
        ? Object.fromEntries(
            Object.entries(given).flatMap(([name, value]) => {
              const kept = value === hidden ? before.extraHeaders[name] : value;
              return kept === undefined ? [] : [[name, kept]];
            }),
          )
        : before.extraHeaders;
      await visitorLogins.put(projectId, { settings, extraHeaders });
      return viewOf({ ...before, settings, extraHeaders });
    },
  );

  app.post(
    '/api/admin/auth/generate-secret',
    {
      config,
      schema: {
        tags,
        summary: "Another secret for visitors' tokens; those signed before end at once",
        querystring: tenantQuery,
        response: { 200: z.object({ secret: z.string() }), ...errors },
      },
    },
    async ({ projectId }) => ({ secret: await visitorLogins.replaceSecret(projectId) }),
  );
}
