import type { Actor } from '../../domain/accounts.ts';
import { overdue, rebuild as timing } from '../../domain/deadlines.ts';
import { AppError } from '../../domain/errors.ts';
import { type Dispatch, rebuildIndexDispatch } from '../../domain/flows.ts';
import { type EmbeddingModel, embeddingModelOf } from '../../domain/models.ts';
import { projectSettings } from '../../domain/projects.ts';
import { type IndexRebuild, type RebuildEnd, spaceNameOf } from '../../domain/rebuilds.ts';
import { insertProjectAudit } from './audit.ts';
import type { Query, Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { newId } from './ids.ts';
import { asJson } from './json.ts';

export type RebuildStore = ReturnType<typeof createRebuildStore>;

/** A published version that one space does not hold yet. */
export interface UnindexedDocument {
  documentId: string;
  version: number;
  /** How often its chunks were edited when it was looked up. */
  edits: number;
}

const isOpen = (sql: Query) => sql`status in ('queued', 'filling', 'comparing', 'switched', 'rolling_back')`;

/**
 * The model of the space that is written to beside the project's own while a rebuild of the project `p` is open: the new
 * one, and once it is switched the one from before, for a rollback.
 */
export const secondModel = (sql: Query) => sql`
  (select case when r.status in ('switched', 'rolling_back') then r.from_model else r.to_model end
    from index_rebuilds r where r.project_id = p.id and r.${isOpen(sql)})`;

export function createRebuildStore(sql: Sql) {
  const columns = sql`
    id, number, status, from_model, to_model, tolerance, done_documents, total_documents, evaluation_before,
    evaluation_after, recall_before, recall_after, waiting_until, message, rollback_until, created_at, switched_at,
    finished_at`;
  const unindexed = (projectId: string, space: string) => sql`
    from documents d join document_versions v on v.document_id = d.id and v.version = d.current_version
    where d.project_id = ${projectId} and d.deleted_at is null and not (${space} = any(v.indexed_in))`;

  return {
    /** Throws REBUILD_STATE while another one is open, and INVALID_REQUEST for a model that would change nothing. */
    async begin(
      projectId: string,
      { model, tolerance }: { model: EmbeddingModel; tolerance: number | null },
      actor: Actor,
    ): Promise<{ rebuildId: string; dispatch: Dispatch }> {
      const rebuildId = newId();
      return await sql.begin(async (tx) => {
        const [project] = await tx<{ settings: unknown }[]>`
          select settings from projects where id = ${projectId} for update`;
        if (!project) throw new AppError('PROJECT_NOT_FOUND');
        const from = embeddingModelOf(projectSettings.parse(project.settings));
        if (from.model === model.model) {
          const message = `The project's vectors are of ${from.model} already. Choose another embedding model.`;
          throw new AppError('INVALID_REQUEST', { message });
        }
        const [open] = await tx<{ status: string; rollbackUntil: Date | null }[]>`
          select status, rollback_until from index_rebuilds where project_id = ${projectId} and ${isOpen(tx)}`;
        if (open) {
          const until = open.rollbackUntil?.toISOString();
          const message = `Another rebuild of this project is ${open.status}${until ? ` until ${until}` : ''}.`;
          throw new AppError('REBUILD_STATE', { message });
        }
        const questions = await tx`select 1 from test_questions where project_id = ${projectId} limit 1`;
        if (tolerance !== null && questions.length === 0) throw new AppError('TEST_QUESTIONS_REQUIRED');
        await tx`
          insert into index_rebuilds (id, project_id, number, status, from_model, to_model, tolerance)
          select ${rebuildId}::uuid, ${projectId}::uuid, coalesce(max(number), 0) + 1, 'queued', ${asJson(tx, from)}::jsonb,
            ${asJson(tx, model)}::jsonb, ${tolerance}::float8
          from index_rebuilds where project_id = ${projectId}`;
        const [{ number } = { number: 1 }] = await tx<{ number: number }[]>`
          select number from index_rebuilds where id = ${rebuildId}`;
        const dispatch = rebuildIndexDispatch({ projectId, rebuildId, number });
        await insertDispatch(tx, dispatch);
        const object = { type: 'index_rebuild', id: rebuildId };
        const details = { from: from.model, to: model.model };
        await insertProjectAudit(tx, actor, projectId, 'index.rebuild', object, details);
        return { rebuildId, dispatch };
      });
    },

    async get(projectId: string, rebuildId: string): Promise<IndexRebuild | undefined> {
      const [row] = await sql<IndexRebuild[]>`
        select ${columns} from index_rebuilds where project_id = ${projectId} and id = ${rebuildId}`;
      return row;
    },

    /** Newest first. */
    async list(projectId: string, limit: number): Promise<IndexRebuild[]> {
      return await sql<IndexRebuild[]>`
        select ${columns} from index_rebuilds where project_id = ${projectId} order by number desc limit ${limit}`;
    },

    /** Shows how far it is. No effect once it has ended. */
    async progress(
      projectId: string,
      rebuildId: string,
      progress: Partial<
        Pick<IndexRebuild, 'status' | 'evaluationBefore' | 'evaluationAfter' | 'recallBefore' | 'recallAfter'>
      >,
    ): Promise<void> {
      const changes = { ...progress, waitingUntil: null, message: null, updatedAt: new Date() };
      await sql`
        update index_rebuilds set ${sql(changes)}
        where project_id = ${projectId} and id = ${rebuildId} and ${isOpen(sql)}`;
    },

    /** Counts what the space holds of the project's published documents. */
    async countDocuments(projectId: string, rebuildId: string, space: string): Promise<void> {
      await sql`
        update index_rebuilds set (done_documents, total_documents) = (
            select count(*) filter (where ${space} = any(v.indexed_in))::int, count(*)::int
            from documents d join document_versions v on v.document_id = d.id and v.version = d.current_version
            where d.project_id = ${projectId} and d.deleted_at is null),
          waiting_until = null, message = null, updated_at = now()
        where project_id = ${projectId} and id = ${rebuildId} and ${isOpen(sql)}`;
    },

    async waits(
      projectId: string,
      rebuildId: string,
      { until, reason }: { until: Date; reason: string },
    ): Promise<void> {
      await sql`
        update index_rebuilds set waiting_until = ${until}, message = ${reason}, updated_at = now()
        where project_id = ${projectId} and id = ${rebuildId} and ${isOpen(sql)}`;
    },

    async nextUnindexed(projectId: string, space: string): Promise<UnindexedDocument | undefined> {
      const [row] = await sql<UnindexedDocument[]>`
        select d.id as document_id, v.version, d.edits ${unindexed(projectId, space)} order by d.id limit 1`;
      return row;
    },

    /** False where the document was deleted, replaced or edited since it was looked up. */
    async indexed(projectId: string, document: UnindexedDocument, space: string): Promise<boolean> {
      const { documentId, version, edits } = document;
      const marked = await sql`
        update document_versions v set indexed_in = array_append(array_remove(v.indexed_in, ${space}), ${space})
        from documents d
        where v.project_id = ${projectId} and v.document_id = ${documentId} and v.version = ${version}
          and d.id = v.document_id and d.current_version = v.version and d.edits = ${edits} and d.deleted_at is null
        returning 1`;
      return marked.length > 0;
    },

    /** Whether this is what the document shows. */
    async isPublished(projectId: string, { documentId, version }: UnindexedDocument): Promise<boolean> {
      const rows = await sql`
        select 1 from documents where project_id = ${projectId} and id = ${documentId}
          and current_version = ${version} and deleted_at is null`;
      return rows.length > 0;
    },

    /** Of a version on its way: whether a space holds all of it. */
    async markIndexed(
      projectId: string,
      { documentId, version }: { documentId: string; version: number },
      space: string,
      holds: boolean,
    ): Promise<void> {
      await sql`
        update document_versions set indexed_in =
          ${holds ? sql`array_append(array_remove(indexed_in, ${space}), ${space})` : sql`array_remove(indexed_in, ${space})`}
        where project_id = ${projectId} and document_id = ${documentId} and version = ${version}`;
    },

    /**
     * Makes the other space the project's own, in one transaction; `incomplete` where it lacks a published document.
     * Publishing holds the project's row as well, so nothing comes between.
     */
    async switchTo(
      projectId: string,
      rebuildId: string,
      which: 'new' | 'old',
    ): Promise<'switched' | 'incomplete'> {
      return await sql.begin(async (tx) => {
        await tx`select 1 from projects where id = ${projectId} for update`;
        const [row] = await tx<{ status: string; toModel: EmbeddingModel; fromModel: EmbeddingModel }[]>`
          select status, to_model, from_model from index_rebuilds
          where project_id = ${projectId} and id = ${rebuildId} and ${isOpen(tx)} for update`;
        if (!row) throw new AppError('REBUILD_NOT_FOUND');
        const model = which === 'new' ? row.toModel : row.fromModel;
        const missing = await tx`select 1 ${unindexed(projectId, spaceNameOf(model))} limit 1`;
        if (missing.length > 0) return 'incomplete';
        await tx`
          update projects set settings = settings || ${asJson(tx, {
            embeddingProvider: model.provider,
            embeddingModel: model.model,
            embeddingDimensions: model.dimensions,
          })} where id = ${projectId}`;
        if (which === 'new') {
          // An earlier try that was recorded keeps its time.
          await tx`
            update index_rebuilds set status = 'switched', switched_at = coalesce(switched_at, now()),
              rollback_until = coalesce(rollback_until, now() + ${timing.rollback} * interval '1 millisecond'),
              waiting_until = null, message = null, updated_at = now()
            where id = ${rebuildId}`;
        }
        return 'switched';
      });
    },

    /** A recorded end stays. */
    async end(
      projectId: string,
      rebuildId: string,
      { status, message }: { status: RebuildEnd; message: string },
    ): Promise<void> {
      await sql`
        update index_rebuilds set status = ${status}, message = ${message}, waiting_until = null,
          finished_at = now(), updated_at = now()
        where project_id = ${projectId} and id = ${rebuildId} and ${isOpen(sql)}`;
    },

    /** Forgets which versions a space holds, and their vectors in it. */
    async forgetSpace(projectId: string, space: Pick<EmbeddingModel, 'model' | 'dimensions'>): Promise<void> {
      await sql`
        update document_versions set indexed_in = array_remove(indexed_in, ${spaceNameOf(space)})
        where project_id = ${projectId} and ${spaceNameOf(space)} = any(indexed_in)`;
      await sql`delete from embeddings where project_id = ${projectId} and model = ${space.model}`;
    },

    /** Rebuilds that have shown no sign of life for a while: see `createOverdueStore`. */
    async claimSilent(
      limit: number,
    ): Promise<{ projectId: string; rebuildId: string; number: number; status: IndexRebuild['status'] }[]> {
      return await sql<
        { projectId: string; rebuildId: string; number: number; status: IndexRebuild['status'] }[]
      >`
        update index_rebuilds set checked_at = now() where id in (
          select id from index_rebuilds
          where ${isOpen(sql)} and greatest(updated_at, checked_at) < now() - ${overdue.rebuildSilence} * interval '1 millisecond'
          order by checked_at nulls first limit ${limit} for update skip locked)
        returning project_id, id as rebuild_id, number, status`;
    },
  };
}
