import type { Actor } from '../../domain/accounts.ts';
import { AppError } from '../../domain/errors.ts';
import { deleteProjectDispatch, type Dispatch } from '../../domain/flows.ts';
import { changesEmbedding, withEmbeddingModel } from '../../domain/models.ts';
import {
  type Project,
  type IndexAccess,
  type ProjectRecord,
  type ProjectSettings,
  projectSettings,
} from '../../domain/projects.ts';
import { insertAudit } from './audit.ts';
import type { Query, Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { newId } from './ids.ts';
import { asJson } from './json.ts';
import { insertKey, type NewKey } from './keys.ts';
import { secondModel } from './rebuilds.ts';

export type ProjectStore = ReturnType<typeof createProjectStore>;

interface Row extends Omit<ProjectRecord, 'settings'> {
  settings: unknown;
}
const recordOf = (row: Row): ProjectRecord => ({ ...row, settings: projectSettings.parse(row.settings) });

export function createProjectStore(sql: Sql) {
  const columns = sql`id, workspace_id, name, active, settings, created_at`;

  return {
    /** An active project. */
    async get(projectId: string): Promise<Project | undefined> {
      const [row] = await sql<{ id: string; name: string; settings: unknown }[]>`
        select id, name, settings from projects where id = ${projectId} and active and deleted_at is null`;
      return row && { ...row, settings: projectSettings.parse(row.settings) };
    },

    /** A project as its members see it, whether or not it is active. */
    async record(projectId: string): Promise<ProjectRecord | undefined> {
      const [row] = await sql<Row[]>`
        select ${columns} from projects where id = ${projectId} and deleted_at is null`;
      return row && recordOf(row);
    },

    /** The projects of all workspaces that the user is a member of, or of one of them; oldest first. */
    async listOf(userId: string, workspaceId?: string): Promise<ProjectRecord[]> {
      const rows = await sql<Row[]>`
        select ${columns} from projects
        where deleted_at is null and workspace_id in (select workspace_id from memberships where user_id = ${userId})
          ${workspaceId ? sql`and workspace_id = ${workspaceId}` : sql``}
        order by created_at, id`;
      return rows.map(recordOf);
    },

    /** Creates a project of the server's own, or leaves the one with this id as it is. */
    /** What calling models for the project takes. */
    async access(projectId: string): Promise<IndexAccess | undefined> {
      const [row] = await sql<Omit<IndexAccess, 'projectId'>[]>`
        select p.settings, ${sealedKeys(sql)} as keys, ${secondModel(sql)} as second_model
        from projects p where p.id = ${projectId}`;
      return row && { ...row, projectId, settings: projectSettings.parse(row.settings) };
    },

    /** Creates the project, or leaves the one with this id as it is. */
    async create(project: { id: string; name: string; settings: unknown }): Promise<void> {
      await sql`
        insert into projects (id, name, settings)
        values (${project.id}, ${project.name}, ${asJson(sql, withEmbeddingModel(projectSettings.parse(project.settings)))})
        on conflict (id) do nothing`;
    },

    /** Creates a workspace's project with its first key. */
    async createIn(
      workspaceId: string,
      project: { name: string; settings: ProjectSettings },
      key: NewKey,
      actor: Actor,
    ): Promise<ProjectRecord> {
      return await sql.begin(async (tx) => {
        const projectId = newId();
        const [row] = await tx<Row[]>`
          insert into projects (id, workspace_id, name, settings)
          values (${projectId}, ${workspaceId}, ${project.name}, ${asJson(tx, withEmbeddingModel(project.settings))})
          returning ${columns}`;
        const { name } = project;
        await audit(tx, actor, { id: projectId, workspaceId }, 'project.created', { name });
        await insertKey(tx, projectId, key, actor);
        return recordOf(row!);
      });
    },

    /** Changes what is given and leaves the rest. Undefined where there is no such project. */
    async change(
      projectId: string,
      change: {
        name?: string | undefined;
        active?: boolean | undefined;
        settings?: Partial<ProjectSettings>;
      },
      actor: Actor,
    ): Promise<ProjectRecord | undefined> {
      return await sql.begin(async (tx) => {
        const settings = await settledChange(tx, projectId, change.settings ?? {});
        const [row] = await tx<Row[]>`
          update projects set name = coalesce(${change.name ?? null}, name),
            active = coalesce(${change.active ?? null}, active),
            settings = settings || ${asJson(tx, settings)}
          where id = ${projectId} and deleted_at is null returning ${columns}`;
        if (!row) return undefined;
        // The names of what changed; values may be texts that the log should not keep.
        const changed = [
          ...Object.keys(change).filter((key) => key !== 'settings'),
          ...Object.keys(change.settings ?? {}),
        ];
        await audit(tx, actor, row, 'project.changed', { changed });
        return recordOf(row);
      });
    },

    /**
     * Takes a project out of service, at once and for good, and writes down the workflow that removes what it holds.
     * Undefined where there is no such project.
     */
    async delete(projectId: string, actor: Actor): Promise<Dispatch | undefined> {
      return await sql.begin(async (tx) => {
        const [row] = await tx<{ id: string; workspaceId: string | null }[]>`
          update projects set deleted_at = now(), active = false
          where id = ${projectId} and deleted_at is null returning id, workspace_id`;
        if (!row) return undefined;
        await tx`
          insert into project_deletions (project_id, workspace_id, requested_by)
          values (${projectId}, ${row.workspaceId}, ${actor.type === 'user' ? actor.id : null})`;
        await audit(tx, actor, row, 'project.deleted', {});
        const dispatch = deleteProjectDispatch({ projectId });
        await insertDispatch(tx, dispatch);
        return dispatch;
      });
    },
  };
}

async function audit(
  tx: Query,
  actor: Actor,
  { id, workspaceId }: { id: string; workspaceId: string | null },
  action: string,
  details: Record<string, unknown>,
): Promise<void> {
  await insertAudit(tx, actor, {
    workspaceId,
    projectId: id,
    action,
    objectType: 'project',
    objectId: id,
    details,
  });
}

/** The encrypted keys of the project `p`, as JSON: they travel with whatever else is asked. */
export function sealedKeys(sql: Query) {
  return sql`coalesce((select json_agg(json_build_object(
    'provider', k.provider, 'secret', k.secret, 'baseUrl', k.base_url))
    from provider_keys k where k.project_id = p.id), '[]')`;
}

/**
 * A change of the embedding space names all of it, and is refused once there are documents: they would no longer be
 * found. The lock holds back documents that come meanwhile.
 */
async function settledChange(
  tx: Query,
  projectId: string,
  change: Partial<ProjectSettings>,
): Promise<Partial<ProjectSettings>> {
  if (!changesEmbedding(change)) return change;
  const [row] = await tx<{ settings: unknown; documents: boolean }[]>`
    select settings, exists (select 1 from documents where project_id = projects.id) as documents
    from projects where id = ${projectId} for update`;
  if (!row) return change;
  const before = withEmbeddingModel(projectSettings.parse(row.settings));
  // A part that is not named follows from the one before it.
  const { embeddingProvider = before.embeddingProvider } = change;
  const { embeddingModel = embeddingProvider === before.embeddingProvider ? before.embeddingModel : null } =
    change;
  const { embeddingDimensions = null } = change;
  const after = withEmbeddingModel({ ...before, embeddingProvider, embeddingModel, embeddingDimensions });
  const space = {
    embeddingProvider: after.embeddingProvider,
    embeddingModel: after.embeddingModel,
    embeddingDimensions: after.embeddingDimensions,
  };
  const same = Object.entries(space).every(([name, value]) => before[name as keyof typeof space] === value);
  if (!same && row.documents) throw new AppError('EMBEDDING_IN_USE');
  return { ...change, ...space };
}
