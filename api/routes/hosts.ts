import { z } from 'zod';
import { email } from '../../domain/accounts.ts';
import { AppError } from '../../domain/errors.ts';
import { hostName } from '../../domain/hosts.ts';
import type { App, AppDependencies } from '../app.ts';
import { actorOf } from '../plugins/access.ts';

const hostView = z.object({
  host: z.string(),
  leadRecipients: z.array(z.string()).readonly(),
  createdAt: z.date(),
});
const params = z.object({ projectId: z.string() });
const hostParams = params.extend({ host: hostName });
const tags = ['Hosts'];

/** The sites whose pages need no key, because their host says which project answers them. */
export function hostRoutes(app: App, { stores: { hosts } }: Pick<AppDependencies, 'stores'>): void {
  app.get(
    '/projects/:projectId/hosts',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'The hosts whose pages this project answers without a key',
        params,
        response: { 200: z.object({ hosts: z.array(hostView) }) },
      },
    },
    async ({ projectId }) => ({ hosts: await hosts.list(projectId) }),
  );

  app.put(
    '/projects/:projectId/hosts/:host',
    {
      config: { role: 'admin', errors: ['HOST_TAKEN'] },
      schema: {
        tags,
        summary: 'Answer the pages of this host; `www.` and ports make no difference',
        params: hostParams,
        body: z.object({ leadRecipients: z.array(email).max(20).optional() }).default({}),
        response: { 200: z.object({ host: hostView }) },
      },
    },
    async (request) => {
      const host = await hosts.set(request.projectId, request.params.host, request.body, actorOf(request));
      if (!host) throw new AppError('HOST_TAKEN');
      return { host };
    },
  );

  app.delete(
    '/projects/:projectId/hosts/:host',
    {
      config: { role: 'admin', errors: ['HOST_NOT_FOUND'] },
      schema: { tags, summary: 'Answer the pages of this host no longer', params: hostParams },
    },
    async (request, reply) => {
      if (!(await hosts.remove(request.projectId, request.params.host, actorOf(request)))) {
        throw new AppError('HOST_NOT_FOUND');
      }
      return reply.status(204).send();
    },
  );
}
