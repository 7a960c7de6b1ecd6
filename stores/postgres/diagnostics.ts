import { overdue, turn } from '../../domain/deadlines.ts';
import { type EmbeddingModel, localEmbeddingModel } from '../../domain/models.ts';
import { isUuid, type Sql } from './client.ts';
import { fromBytes } from './embeddings.ts';
import { uuids } from './ids.ts';

/** What an operator's commands ask of PostgreSQL, over all projects: like the sweeps, they serve no one tenant. */
export type DiagnosticsStore = ReturnType<typeof createDiagnosticsStore>;

export type EmbeddingSpace = Pick<EmbeddingModel, 'model' | 'dimensions'>;

export interface ChunkRef {
  id: string;
  projectId: string;
}

export interface LiveChunk {
  id: string;
  projectId: string;
  documentId: string;
  title: string;
  headingPath: string[];
  text: string;
  /** Undefined where PostgreSQL has none of this model. */
  vector: Float32Array | undefined;
}

/**
 * `live`: of the published version of a document that is not deleted. `ingesting`: of a version that may be published
 * yet. `retired`: of one that will not be. A chunk without a row is in none of them.
 */
export type ChunkState = 'live' | 'ingesting' | 'retired';

export interface Waiting {
  count: number;
  /** 0 where nothing waits. */
  oldestSeconds: number;
}

/** What a project's settings say of its space (domain/models.ts); those of before there was a choice say nothing. */
const modelOf = (sql: Sql) => sql`coalesce(p.settings->>'embeddingModel', ${localEmbeddingModel.model})`;
const dimensionsOf = (sql: Sql) =>
  sql`coalesce((p.settings->>'embeddingDimensions')::int, ${localEmbeddingModel.dimensions})`;

/** Comes before every chunk in the order of their ids. */
export const beforeAllChunks = '00000000-0000-0000-0000-000000000000';

/** `space`: only what belongs to projects of that embedding space; all where absent. */
export function createDiagnosticsStore(sql: Sql, space?: EmbeddingSpace) {
  const ofSpace = space
    ? sql`and exists (select 1 from projects p where p.id = d.project_id
        and ${modelOf(sql)} = ${space.model} and ${dimensionsOf(sql)} = ${space.dimensions})`
    : sql``;
  const live = sql`
    documents d on d.id = c.document_id and d.current_version = c.version and d.deleted_at is null ${ofSpace}`;

  return {
    /** The server's version: as a number (180004) and as text (18.4). */
    async serverVersion(): Promise<{ number: number; text: string }> {
      const [row] = await sql<{ number: number; text: string }[]>`
        select current_setting('server_version_num')::int as number, current_setting('server_version') as text`;
      return row!;
    },

    /** Names of the migrations that this database has. */
    async appliedMigrations(): Promise<string[]> {
      const [table] = await sql<
        { exists: boolean }[]
      >`select to_regclass('migrations') is not null as exists`;
      if (!table!.exists) return [];
      const rows = await sql<{ name: string }[]>`select name from migrations order by name`;
      return rows.map((row) => row.name);
    },

    /** The embedding spaces of all projects, the bundled model's first. */
    async spaces(): Promise<EmbeddingSpace[]> {
      const rows = await sql<EmbeddingSpace[]>`
        select distinct ${modelOf(sql)} as model, ${dimensionsOf(sql)} as dimensions from projects p order by 1, 2`;
      const others = rows.filter(({ model }) => model !== localEmbeddingModel.model);
      return [localEmbeddingModel, ...others];
    },

    /** Workflow starts that Temporal has not taken yet. */
    async dispatches(): Promise<Waiting & { lastError: string | null }> {
      const [row] = await sql<(Waiting & { lastError: string | null })[]>`
        select count(*)::int as count,
          coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as oldest_seconds,
          (select last_error from dispatches where last_error is not null order by created_at limit 1) as last_error
        from dispatches`;
      return row!;
    },

    /** Running turns that are past their deadline. */
    async overdueTurns(): Promise<Waiting> {
      const [row] = await sql<Waiting[]>`
        select count(*)::int as count,
          coalesce(extract(epoch from now() - min(started_at)), 0)::float8 as oldest_seconds
        from turns where status = 'running'
          and started_at < now() - ${turn.deadline + overdue.turnGrace} * interval '1 millisecond'`;
      return row!;
    },

    /** Document versions that are neither ready nor failed and show no progress. */
    async silentDocuments(): Promise<Waiting> {
      const [row] = await sql<Waiting[]>`
        select count(*)::int as count,
          coalesce(extract(epoch from now() - min(updated_at)), 0)::float8 as oldest_seconds
        from document_versions where status in ('queued', 'processing')
          and updated_at < now() - ${overdue.documentSilence} * interval '1 millisecond'`;
      return row!;
    },

    /** Mails that are still to be sent, those that ended unsent in the last day, and the newest reason of either. */
    async mails(): Promise<{ waiting: Waiting; failed: number; lastReason: string | null }> {
      const [row] = await sql<(Waiting & { failed: number; lastReason: string | null })[]>`
        select count(*) filter (where status = 'queued')::int as count,
          coalesce(extract(epoch from now() - min(created_at) filter (where status = 'queued')), 0)::float8
            as oldest_seconds,
          count(*) filter (where status <> 'queued')::int as failed,
          (array_agg(reason order by created_at desc) filter (where reason is not null))[1] as last_reason
        from mails where status = 'queued'
          or (status in ('refused', 'failed') and ended_at > now() - interval '1 day')`;
      const { failed, lastReason, ...waiting } = row!;
      return { waiting, failed, lastReason };
    },

    /** Events and contacts that could not be delivered and were given up in the last day, and the newest reason. */
    async undelivered(): Promise<{ webhooks: number; contacts: number; lastReason: string | null }> {
      const [row] = await sql<{ webhooks: number; contacts: number; lastReason: string | null }[]>`
        with failed as (
          select 'webhook' as kind, error, finished_at from webhook_deliveries where status = 'failed'
          union all select 'contact', error, finished_at from contact_syncs where status = 'failed')
        select count(*) filter (where kind = 'webhook')::int as webhooks,
          count(*) filter (where kind = 'contact')::int as contacts,
          (array_agg(error order by finished_at desc))[1] as last_reason
        from failed where finished_at > now() - interval '1 day'`;
      return row!;
    },

    /** Document versions that are being ingested now. */
    async ingesting(): Promise<number> {
      const [row] = await sql<{ count: number }[]>`
        select count(*)::int as count from document_versions v
        join documents d on d.id = v.document_id and d.deleted_at is null
        where v.status in ('queued', 'processing') ${ofSpace}`;
      return row!.count;
    },

    /** How many chunks each project's search should find. */
    async liveCounts(): Promise<Map<string, number>> {
      const rows = await sql<{ projectId: string; chunks: number }[]>`
        select c.project_id, count(*)::int as chunks from chunks c join ${live} group by c.project_id`;
      return new Map(rows.map((row) => [row.projectId, row.chunks]));
    },

    /** The next live chunks in the order of their ids, which is also that of the ids' text. */
    async live(after: string, limit: number): Promise<ChunkRef[]> {
      return await sql<ChunkRef[]>`
        select c.id, c.project_id from chunks c join ${live}
        where c.id > ${after} order by c.id limit ${limit}`;
    },

    /** What has become of these chunks; one without a row is not in the answer. */
    async states(ids: readonly string[]): Promise<Map<string, ChunkState>> {
      const known = ids.filter(isUuid);
      const rows = await sql<{ id: string; state: ChunkState }[]>`
        select c.id, case
            when d.deleted_at is not null then 'retired'
            when d.current_version = c.version then 'live'
            when v.status in ('queued', 'processing') then 'ingesting'
            else 'retired' end as state
        from chunks c
        join documents d on d.id = c.document_id
        join document_versions v on v.document_id = c.document_id and v.version = c.version
        where c.id = any(${uuids(sql, known)})`;
      return new Map(rows.map((row) => [row.id, row.state]));
    },

    /** Of these chunks those that are live, with all that the index holds of them. */
    async toIndex(ids: readonly string[], model: string): Promise<LiveChunk[]> {
      const rows = await sql<(Omit<LiveChunk, 'vector'> & { vector: Uint8Array | null })[]>`
        select c.id, c.project_id, c.document_id, v.title, c.heading_path, c.text, e.vector
        from chunks c join ${live}
        join document_versions v on v.document_id = c.document_id and v.version = c.version
        left join embeddings e
          on e.project_id = c.project_id and e.model = ${model} and e.hash = c.embedding_hash
        where c.id = any(${uuids(sql, ids)})`;
      return rows.map((row) => ({ ...row, vector: row.vector ? fromBytes(row.vector) : undefined }));
    },
  };
}
