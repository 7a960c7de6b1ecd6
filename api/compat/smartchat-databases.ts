// The SmartChat dashboard's database connections: kept and listed. Nothing here asks a database.
import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { dbConnection, dbSecrets, functionName } from '../../domain/tools.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { DbConnectionRecord } from '../../stores/postgres/db-connections.ts';
import type { App, AppDependencies } from '../app.ts';
import { definedOf } from '../defined.ts';
import { changeOf } from '../schemas.ts';
import { done, errors, ofTenant, success, adminTags as tags, tenantQuery } from './smartchat-shared.ts';

const params = z.object({ id: z.string() });
const config = ofTenant('admin');
const notBuilt =
  'Asking databases is not built into this server yet: the connection is kept, and was not tried.';

const connectionView = dbConnection.extend({
  id: z.string(),
  name: z.string(),
  password_set: z.boolean(),
  connection_string_set: z.boolean(),
  created_at: z.string(),
});
const connectionBody = z.object({ name: functionName, ...dbConnection.shape, ...dbSecrets.shape });
const connectionChange = changeOf(connectionBody);

export function smartChatDatabaseRoutes(app: App, { stores: { dbConnections } }: AppDependencies): void {
  const found = async (projectId: string, id: string) => {
    const connection = isUuid(id) ? await dbConnections.get(projectId, id) : undefined;
    if (!connection) throw new AppError('DB_CONNECTION_NOT_FOUND');
    return connection;
  };
  const path = '/api/admin/db-connections';
  const one = { tags, params, querystring: tenantQuery };

  app.get(
    path,
    {
      config,
      schema: {
        tags,
        summary: "The project's databases, without their secrets",
        querystring: tenantQuery,
        response: { 200: z.object({ connections: z.array(connectionView) }), ...errors },
      },
    },
    async ({ projectId }) => ({ connections: (await dbConnections.list(projectId)).map(viewOfConnection) }),
  );

  app.post(
    path,
    {
      config,
      schema: {
        tags,
        summary: 'Keep a database connection; password and connection string are encrypted',
        querystring: tenantQuery,
        body: connectionBody,
        response: { 200: connectionView, ...errors },
      },
    },
    async ({ projectId, body }) => {
      const { name, password, connection_string, ...settings } = body;
      const secrets = definedOf({ password, connection_string });
      const created = await dbConnections.create(projectId, { name, settings, secrets });
      if (!created) throw new AppError('NAME_TAKEN');
      return viewOfConnection(created);
    },
  );

  app.put(
    `${path}/:id`,
    {
      config,
      schema: {
        ...one,
        summary: 'Change what is given; an empty secret is removed',
        body: connectionChange,
        response: { 200: connectionView, ...errors },
      },
    },
    async ({ projectId, params: { id }, body }) => {
      const before = await found(projectId, id);
      const { name = before.name, password, connection_string, ...change } = body;
      const settings = dbConnection.parse({ ...before, ...definedOf(change) });
      const secrets = { ...before.secrets, ...definedOf({ password, connection_string }) };
      const changed = await dbConnections.replace(projectId, id, { name, settings, secrets });
      if (!changed) throw new AppError('NAME_TAKEN');
      return viewOfConnection(changed);
    },
  );

  app.delete(
    `${path}/:id`,
    { config, schema: { ...one, summary: 'Forget a connection', response: { 200: done, ...errors } } },
    async ({ projectId, params: { id } }) => {
      await found(projectId, id);
      await dbConnections.remove(projectId, id);
      return success;
    },
  );

  app.post(
    `${path}/:id/test`,
    {
      config,
      schema: {
        ...one,
        summary: 'Says that databases are not asked yet',
        response: { 200: z.object({ success: z.boolean(), message: z.string() }), ...errors },
      },
    },
    async ({ projectId, params: { id } }) => {
      await found(projectId, id);
      return { success: false, message: notBuilt };
    },
  );

  app.post(
    `${path}/:id/fetch-schema`,
    {
      config,
      schema: {
        ...one,
        summary: 'The schema as it was entered; databases are not asked yet',
        response: {
          200: z.object({
            status: z.string(),
            schema: z.string(),
            structured: z.null(),
            message: z.string(),
          }),
          ...errors,
        },
      },
    },
    async ({ projectId, params: { id } }) => {
      const { schema_info } = await found(projectId, id);
      return { status: 'error', schema: schema_info, structured: null, message: notBuilt };
    },
  );
}

function viewOfConnection({ secrets, createdAt, ...rest }: DbConnectionRecord) {
  return {
    ...rest,
    password_set: Boolean(secrets.password),
    connection_string_set: Boolean(secrets.connection_string),
    created_at: createdAt.toISOString(),
  };
}
