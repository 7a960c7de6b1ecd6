// The SmartChat dashboard's tools: kept and listed. Nothing here runs one.
import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { functionName, tool, toolConfig } from '../../domain/tools.ts';
import { isUuid } from '../../stores/postgres/client.ts';
import type { ToolRecord } from '../../stores/postgres/tools.ts';
import type { App, AppDependencies } from '../app.ts';
import { definedOf } from '../defined.ts';
import { changeOf } from '../schemas.ts';
import { done, errors, ofTenant, success, adminTags as tags, tenantQuery } from './smartchat-shared.ts';

const params = z.object({ id: z.string() });
const config = ofTenant('admin');

const toolView = tool.extend({
  id: z.string(),
  name: z.string(),
  db_connection_id: z.string().nullable(),
  config_json: z.record(z.string(), z.unknown()),
  created_at: z.string(),
});
const toolBody = z.object({
  name: functionName,
  ...tool.shape,
  db_connection_id: z.uuid().nullable().default(null),
  config_json: toolConfig.default({}),
});
const toolChange = changeOf(toolBody);

export function smartChatToolRoutes(app: App, { stores: { tools, dbConnections } }: AppDependencies): void {
  const found = async (projectId: string, id: string) => {
    const record = isUuid(id) ? await tools.get(projectId, id) : undefined;
    if (!record) throw new AppError('TOOL_NOT_FOUND');
    return record;
  };
  const known = async (projectId: string, id: string | null) => {
    if (id && !(await dbConnections.get(projectId, id))) throw new AppError('DB_CONNECTION_NOT_FOUND');
  };
  const path = '/api/admin/tools';
  const one = { tags, params, querystring: tenantQuery };

  app.get(
    path,
    {
      config,
      schema: {
        tags,
        summary: "The project's tools",
        querystring: tenantQuery,
        response: { 200: z.object({ tools: z.array(toolView) }), ...errors },
      },
    },
    async ({ projectId }) => ({ tools: (await tools.list(projectId)).map(viewOfTool) }),
  );

  app.post(
    path,
    {
      config,
      schema: {
        tags,
        summary: 'Keep a tool; its configuration is encrypted',
        querystring: tenantQuery,
        body: toolBody,
        response: { 200: toolView, ...errors },
      },
    },
    async ({ projectId, body }) => {
      const { name, db_connection_id: dbConnectionId, config_json, ...settings } = body;
      await known(projectId, dbConnectionId);
      const created = await tools.create(projectId, { name, dbConnectionId, config: config_json, settings });
      if (!created) throw new AppError('NAME_TAKEN');
      return viewOfTool(created);
    },
  );

  app.put(
    `${path}/:id`,
    {
      config,
      schema: {
        ...one,
        summary: 'Change what is given',
        body: toolChange,
        response: { 200: toolView, ...errors },
      },
    },
    async ({ projectId, params: { id }, body }) => {
      const before = await found(projectId, id);
      const { name = before.name, db_connection_id, config_json, ...change } = body;
      const dbConnectionId = db_connection_id === undefined ? before.dbConnectionId : db_connection_id;
      await known(projectId, dbConnectionId);
      const settings = tool.parse({ ...before, ...definedOf(change) });
      const next = { name, dbConnectionId, config: config_json ?? before.config, settings };
      const changed = await tools.replace(projectId, id, next);
      if (!changed) throw new AppError('NAME_TAKEN');
      return viewOfTool(changed);
    },
  );

  app.delete(
    `${path}/:id`,
    { config, schema: { ...one, summary: 'Forget a tool', response: { 200: done, ...errors } } },
    async ({ projectId, params: { id } }) => {
      await found(projectId, id);
      await tools.remove(projectId, id);
      return success;
    },
  );
}

function viewOfTool({ config: config_json, dbConnectionId, createdAt, ...rest }: ToolRecord) {
  return { ...rest, db_connection_id: dbConnectionId, config_json, created_at: createdAt.toISOString() };
}
