import { type Dispatch, syncSourceDispatch } from '../../domain/flows.ts';
import {
  type CrawlSchedule,
  crawlSchedule,
  type Source,
  type SourceKind,
  type SourceSettings,
  sourceSettings,
} from '../../domain/sources.ts';
import { insertProjectAudit, operator } from './audit.ts';
import type { Actor } from '../../domain/accounts.ts';
import type { Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { claimIdempotencyKey, type Idempotency } from './idempotency.ts';
import { newId } from './ids.ts';
import { asJson } from './json.ts';
import { requestRun } from './source-runs.ts';

export interface NewSource {
  kind: SourceKind;
  url: string;
  settings: SourceSettings;
  schedule: CrawlSchedule | null;
}

interface SourceRow extends Omit<Source, 'settings' | 'schedule'> {
  settings: unknown;
  schedule: unknown;
}

/** Old rows get new defaults. */
const read = <T extends SourceRow>(row: T) => ({
  ...row,
  settings: sourceSettings.parse(row.settings),
  schedule: row.schedule === null ? null : crawlSchedule.parse(row.schedule),
});

export function createSourceStore(sql: Sql) {
  const columns = sql`id, kind, url, settings, schedule, created_at, updated_at`;

  return {
    /**
     * Takes a source in, and where `crawl` is set the request for its first crawl. A repeated call under the same
     * Idempotency-Key returns the first one's id and no dispatches.
     */
    async create(
      projectId: string,
      source: NewSource,
      options: { crawl: boolean; idempotency: Idempotency | undefined },
      actor: Actor = operator,
    ): Promise<{ sourceId: string; dispatches: Dispatch[] }> {
      const sourceId = newId();
      return await sql.begin(async (tx) => {
        if (options.idempotency) {
          const first = await claimIdempotencyKey(tx, projectId, options.idempotency, sourceId);
          if (first) return { sourceId: first, dispatches: [] };
        }
        await tx`
          insert into sources (id, project_id, kind, url, settings, schedule)
          values (${sourceId}, ${projectId}, ${source.kind}, ${source.url}, ${asJson(tx, source.settings)},
            ${source.schedule === null ? null : asJson(tx, source.schedule)})`;
        await insertProjectAudit(tx, actor, projectId, 'source.created', { type: 'source', id: sourceId });
        const dispatches: Dispatch[] = [];
        if (source.schedule) dispatches.push(syncSourceDispatch({ projectId, sourceId, revision: 1 }));
        for (const dispatch of dispatches) await insertDispatch(tx, dispatch);
        if (options.crawl) {
          const requested = await requestRun(tx, projectId, sourceId);
          if (requested) dispatches.push(requested.dispatch);
        }
        return { sourceId, dispatches };
      });
    },

    async get(projectId: string, sourceId: string): Promise<Source | undefined> {
      const [row] = await sql<SourceRow[]>`
        select ${columns} from sources
        where project_id = ${projectId} and id = ${sourceId} and deleted_at is null`;
      return row && read(row);
    },

    /** Newest first. `before` is the id of the last source of the page before. */
    async list(projectId: string, page: { limit: number; before?: string | undefined }): Promise<Source[]> {
      const rows = await sql<SourceRow[]>`
        select ${columns} from sources where project_id = ${projectId} and deleted_at is null
        ${
          page.before === undefined
            ? sql``
            : sql`and (created_at, id) <
                (select created_at, id from sources where project_id = ${projectId} and id = ${page.before})`
        }
        order by created_at desc, id desc limit ${page.limit}`;
      return rows.map(read);
    },

    /** Changes what is given. Undefined where there is no such source. */
    async change(
      projectId: string,
      sourceId: string,
      changes: { settings?: SourceSettings | undefined; schedule?: CrawlSchedule | null | undefined },
      actor: Actor = operator,
    ): Promise<{ dispatch: Dispatch | undefined } | undefined> {
      const { settings, schedule } = changes;
      return await sql.begin(async (tx) => {
        const [row] = await tx<{ revision: number }[]>`
          update sources set updated_at = now(),
            settings = ${settings === undefined ? tx`settings` : asJson(tx, settings)},
            schedule = ${schedule === undefined ? tx`schedule` : schedule === null ? null : asJson(tx, schedule)},
            revision = revision + ${schedule === undefined ? 0 : 1}
          where project_id = ${projectId} and id = ${sourceId} and deleted_at is null returning revision`;
        if (!row) return undefined;
        await insertProjectAudit(tx, actor, projectId, 'source.changed', { type: 'source', id: sourceId });
        // Other patterns judge pages anew that were left out, so those are read again even where they are the same.
        if (settings) {
          await tx`update source_pages set etag = null, last_modified = null
            where project_id = ${projectId} and source_id = ${sourceId} and document_id is null`;
        }
        if (schedule === undefined) return { dispatch: undefined };
        const dispatch = syncSourceDispatch({ projectId, sourceId, revision: row.revision });
        await insertDispatch(tx, dispatch);
        return { dispatch };
      });
    },

    /** Hides the source and dispatches its removal. Undefined where there is none. */
    async delete(
      projectId: string,
      sourceId: string,
      actor: Actor = operator,
    ): Promise<Dispatch | undefined> {
      return await sql.begin(async (tx) => {
        const [row] = await tx<{ revision: number }[]>`
          update sources set deleted_at = now(), updated_at = now(), revision = revision + 1
          where project_id = ${projectId} and id = ${sourceId} and deleted_at is null returning revision`;
        if (!row) return undefined;
        await insertProjectAudit(tx, actor, projectId, 'source.deleted', { type: 'source', id: sourceId });
        const dispatch = syncSourceDispatch({ projectId, sourceId, revision: row.revision });
        await insertDispatch(tx, dispatch);
        return dispatch;
      });
    },

    /** What Temporal should know of a source, also of a deleted one. */
    async plan(
      projectId: string,
      sourceId: string,
    ): Promise<{ schedule: CrawlSchedule | null; revision: number; deleted: boolean } | undefined> {
      const [row] = await sql<{ schedule: unknown; revision: number; deleted: boolean }[]>`
        select schedule, revision, deleted_at is not null as deleted from sources
        where project_id = ${projectId} and id = ${sourceId}`;
      return row && { ...row, schedule: row.schedule === null ? null : crawlSchedule.parse(row.schedule) };
    },

    /** Removes the rows of a deleted source. */
    async purge(projectId: string, sourceId: string): Promise<void> {
      await sql`delete from sources
        where project_id = ${projectId} and id = ${sourceId} and deleted_at is not null`;
    },
  };
}
