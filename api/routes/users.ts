import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { App, AppDependencies } from '../app.ts';
import { actorOf } from '../plugins/access.ts';

const user = z.object({
  id: z.uuid(),
  email: z.string(),
  name: z.string(),
  platformAdmin: z.boolean(),
  createdAt: z.date(),
  suspendedAt: z.date().nullable(),
});
const config = { platformAdmin: true, errors: ['USER_NOT_FOUND'] } as const;
const tags = ['Users'];

/** For those who run the server. `frontdesk admin ADDRESS` makes a user one of them. */
export function userRoutes(app: App, { stores: { users } }: Pick<AppDependencies, 'stores'>): void {
  app.get(
    '/users',
    {
      config,
      schema: {
        tags,
        summary: 'All users, newest first',
        querystring: z.object({
          limit: z.coerce.number().int().min(1).max(200).default(50),
          before: z.uuid().describe('The id of the last user of the page before').optional(),
        }),
        response: { 200: z.object({ users: z.array(user) }) },
      },
    },
    async (request) => ({ users: await users.list(request.query.limit, request.query.before) }),
  );

  for (const [action, suspended, summary] of [
    ['suspend', true, 'Suspend a user: their sessions end at once'],
    ['resume', false, 'Let a suspended user in again'],
  ] as const) {
    app.post(
      `/users/:userId/${action}`,
      { config, schema: { tags, summary, params: z.object({ userId: z.string() }) } },
      async (request, reply) => {
        const { userId } = request.params;
        const known = isUuid(userId) && (await users.setSuspended(userId, suspended, actorOf(request)));
        if (!known) throw new AppError('USER_NOT_FOUND');
        return reply.status(204).send();
      },
    );
  }
}
