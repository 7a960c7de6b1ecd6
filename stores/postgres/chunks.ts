import { createHash } from 'node:crypto';
import { type Chunk, embeddingText } from '../../domain/chunking.ts';
import { type Dispatch, updateChunksDispatch } from '../../domain/flows.ts';
import type { Passage } from '../../providers/generation.ts';
import type { Sql } from './client.ts';
import { insertDispatch } from './dispatches.ts';
import { fromBytes } from './embeddings.ts';
import { chunkId, uuids } from './ids.ts';

export type ChunkStore = ReturnType<typeof createChunkStore>;

export interface ChunkToEmbed {
  hash: Uint8Array;
  title: string;
  headingPath: string[];
  text: string;
}

export interface ChunkToIndex {
  id: string;
  ordinal: number;
  title: string;
  headingPath: string[];
  text: string;
  vector: Float32Array;
}

/** A chunk as those who look after documents see it. */
export interface ChunkRecord {
  id: string;
  version: number;
  ordinal: number;
  headingPath: string[];
  text: string;
  page: number | null;
  startOffset: number;
  endOffset: number;
  enabled: boolean;
  /** Its text is not the document's any more. */
  edited: boolean;
}

/** Rows per statement: far below PostgreSQL's 65,535 parameters. */
const insertBatch = 1_000;

export const embeddingHash = (text: string): Buffer => createHash('sha256').update(text).digest();

export function createChunkStore(sql: Sql) {
  const fromVisible = (projectId: string, ids: readonly string[]) => sql`
    from chunks c
    join documents d on d.id = c.document_id and d.current_version = c.version and d.deleted_at is null and d.enabled
    where c.project_id = ${projectId} and d.project_id = ${projectId} and c.enabled
      and c.id = any(${uuids(sql, ids)})`;

  return {
    /** Stores a version's chunks; those that an interrupted try has stored already stay. Calls `onProgress` per batch. */
    async put(
      projectId: string,
      documentId: string,
      version: number,
      chunks: readonly (Chunk & { embeddingText: string; page: number | null })[],
      onProgress: (stored: number) => void,
    ): Promise<void> {
      for (let from = 0; from < chunks.length; from += insertBatch) {
        const rows = chunks.slice(from, from + insertBatch).map((chunk) => ({
          id: chunkId(documentId, version, chunk.ordinal),
          projectId,
          documentId,
          version,
          ordinal: chunk.ordinal,
          headingPath: sql.array(chunk.headingPath),
          // PostgreSQL's text cannot hold NUL.
          text: chunk.text.replaceAll('\0', ' '),
          startOffset: chunk.startOffset,
          endOffset: chunk.endOffset,
          page: chunk.page,
          embeddingHash: embeddingHash(chunk.embeddingText),
        }));
        await sql`insert into chunks ${sql(rows as never)} on conflict do nothing`;
        onProgress(from + rows.length);
      }
    },

    /**
     * Gives the chunks of a version the edits of the version that answers, where their text was the same before it
     * was edited. Only edits are copied: chunks that an operator left alone follow the new content.
     */
    async carryEdits(projectId: string, documentId: string, version: number): Promise<void> {
      await sql`
        update chunks c set enabled = edited.enabled, text = edited.text, embedding_hash = edited.embedding_hash,
          source_hash = edited.source_hash
        from documents d
        join chunks edited on edited.document_id = d.id and edited.version = d.current_version
          and (edited.source_hash is not null or not edited.enabled)
        where d.project_id = ${projectId} and d.id = ${documentId} and d.current_version < ${version}
          and c.project_id = ${projectId} and c.document_id = ${documentId} and c.version = ${version}
          and c.source_hash is null and c.embedding_hash = coalesce(edited.source_hash, edited.embedding_hash)`;
    },

    /** The next chunks of a version whose text has no vector of this model yet, in order, equal texts once. */
    async withoutEmbedding(
      projectId: string,
      documentId: string,
      version: number,
      model: string,
      page: { afterOrdinal: number; limit: number },
    ): Promise<(ChunkToEmbed & { ordinal: number })[]> {
      return await sql<(ChunkToEmbed & { ordinal: number })[]>`
        select c.embedding_hash as hash, c.ordinal, c.heading_path, c.text, v.title
        from chunks c join document_versions v using (document_id, version)
        where c.project_id = ${projectId} and c.document_id = ${documentId} and c.version = ${version}
          and c.ordinal > ${page.afterOrdinal}
          and not exists (select 1 from embeddings e
            where e.project_id = c.project_id and e.model = ${model} and e.hash = c.embedding_hash)
        order by c.ordinal limit ${page.limit}`;
    },

    /** A page of a version's chunks with their vectors, in order. Rejects when one has no vector. */
    async withEmbedding(
      projectId: string,
      documentId: string,
      version: number,
      model: string,
      page: { afterOrdinal: number; limit: number; only: 'all' | 'edited' },
    ): Promise<ChunkToIndex[]> {
      const rows = await sql<(Omit<ChunkToIndex, 'vector'> & { vector: Uint8Array | null })[]>`
        select c.id, c.ordinal, c.heading_path, c.text, v.title, e.vector
        from chunks c join document_versions v using (document_id, version)
        left join embeddings e
          on e.project_id = c.project_id and e.model = ${model} and e.hash = c.embedding_hash
        where c.project_id = ${projectId} and c.document_id = ${documentId} and c.version = ${version}
          and c.ordinal > ${page.afterOrdinal} ${page.only === 'edited' ? sql`and c.source_hash is not null` : sql``}
        order by c.ordinal limit ${page.limit}`;
      return rows.map((row) => {
        if (!row.vector) throw new Error(`chunk ${row.id} has no ${model} embedding`);
        return { ...row, vector: fromBytes(row.vector) };
      });
    },

    /** The chunks of the version that answers, or of the latest while none does, in order. */
    async list(
      projectId: string,
      documentId: string,
      page: { after: number; limit: number },
    ): Promise<ChunkRecord[]> {
      return await sql<ChunkRecord[]>`
        select c.id, c.version, c.ordinal, c.heading_path, c.text, c.page, c.start_offset, c.end_offset, c.enabled,
          c.source_hash is not null as edited
        from documents d
        join chunks c on c.document_id = d.id and c.version = coalesce(d.current_version, d.latest_version)
        where d.project_id = ${projectId} and d.id = ${documentId} and d.deleted_at is null
          and c.ordinal > ${page.after}
        order by c.ordinal limit ${page.limit}`;
    },

    /**
     * Edits a chunk of the version that answers, or switches it on or off. The new text is shown at once; the dispatch
     * is of the flow that makes it findable. Undefined where there is no such chunk.
     */
    async change(
      projectId: string,
      documentId: string,
      chunkId: string,
      changes: { text?: string | undefined; enabled?: boolean | undefined },
    ): Promise<{ chunk: ChunkRecord; dispatch: Dispatch | undefined } | undefined> {
      return await sql.begin(async (tx) => {
        const [found] = await tx<{ version: number; title: string; headingPath: string[]; text: string }[]>`
          select c.version, v.title, c.heading_path, c.text from documents d
          join chunks c on c.document_id = d.id and c.version = d.current_version
          join document_versions v on v.document_id = d.id and v.version = c.version
          where d.project_id = ${projectId} and d.id = ${documentId} and d.deleted_at is null and c.id = ${chunkId}
          for update of d, c`;
        if (!found) return undefined;
        const { version, title, headingPath } = found;
        const text = changes.text ?? found.text;
        const edited = text !== found.text;
        const hash = embeddingHash(embeddingText(title, { headingPath, text }));
        const [chunk] = await tx<ChunkRecord[]>`
          update chunks set enabled = coalesce(${changes.enabled ?? null}, enabled), text = ${text},
            source_hash = case when ${edited} then coalesce(source_hash, embedding_hash) else source_hash end,
            embedding_hash = case when ${edited} then ${hash} else embedding_hash end
          where project_id = ${projectId} and id = ${chunkId}
          returning id, version, ordinal, heading_path, text, page, start_offset, end_offset, enabled,
            source_hash is not null as edited`;
        if (!edited) return { chunk: chunk!, dispatch: undefined };
        const [counted] = await tx<{ edit: number }[]>`
          update documents set edits = edits + 1, updated_at = now() where id = ${documentId} returning edits as edit`;
        const dispatch = updateChunksDispatch({
          projectId,
          documentId,
          version,
          run: 1,
          edit: counted!.edit,
        });
        await insertDispatch(tx, dispatch);
        return { chunk: chunk!, dispatch };
      });
    },

    /** The ids of a document's chunks: of all versions, of one, or of those before one. */
    async ids(
      projectId: string,
      documentId: string,
      versions: 'all' | { version: number } | { before: number } = 'all',
    ): Promise<string[]> {
      const chosen =
        versions === 'all'
          ? sql``
          : 'before' in versions
            ? sql`and version < ${versions.before}`
            : sql`and version = ${versions.version}`;
      const rows = await sql<{ id: string }[]>`
        select id from chunks where project_id = ${projectId} and document_id = ${documentId} ${chosen}`;
      return rows.map((row) => row.id);
    },

    /** Removes the chunks of one version. Their embeddings stay for the next run. */
    async removeVersion(projectId: string, documentId: string, version: number): Promise<void> {
      await sql`delete from chunks
        where project_id = ${projectId} and document_id = ${documentId} and version = ${version}`;
    },

    /**
     * Of these chunks, those that may be shown now: of a published version of a document that is neither deleted nor
     * switched off, and not switched off themselves.
     * This is the final guard of retrieval; Elasticsearch follows later.
     */
    async visible(projectId: string, ids: readonly string[]): Promise<Set<string>> {
      if (ids.length === 0) return new Set();
      const rows = await sql<{ id: string }[]>`select c.id ${fromVisible(projectId, ids)}`;
      return new Set(rows.map(({ id }) => id));
    },

    /** `visible`, with what they say; in no order. */
    async published(projectId: string, ids: readonly string[]): Promise<Passage[]> {
      if (ids.length === 0) return [];
      return await sql<Passage[]>`
        select c.id as chunk_id, c.document_id, d.title, c.heading_path, c.text, c.start_offset, c.end_offset, c.page
        ${fromVisible(projectId, ids)}`;
    },
  };
}
