import type { Dispatch } from '../../domain/flows.ts';
import type { CrawlKey, PageState } from '../../domain/sources.ts';
import type { Sql } from './client.ts';
import { uuids } from './ids.ts';
import { dropDocuments } from './source-documents.ts';
import { addFound, type FoundPage, recordVisit, type Visit } from './source-visits.ts';

/** A page that is to be visited, with what the last visit has left. */
export interface WaitingPage {
  id: string;
  url: string;
  depth: number;
  tries: number;
  links: string[];
  /** Null where the body is needed: there is no usable document, or the page was never read. */
  etag: string | null;
  lastModified: string | null;
}

/** A page as people see it. */
export interface SourcePage {
  id: string;
  url: string;
  depth: number;
  waiting: boolean;
  state: PageState | null;
  reason: string | null;
  documentId: string | null;
  visitedAt: Date | null;
}

/** The pages of a source: the frontier of the crawl under way, and what is known from the crawls before. */
export function createSourcePageStore(sql: Sql) {
  return {
    /** Adds pages to a crawl that it has not found yet, up to its limit. Returns how many were added. */
    async add(key: CrawlKey, pages: readonly FoundPage[], maxPages: number): Promise<number> {
      return await sql.begin((tx) => addFound(tx, key, pages, maxPages));
    },

    /** The next pages that may be visited now, those found first first. Hosts may be asked within `patienceMs`. */
    async ready(
      { projectId, sourceId, run }: CrawlKey,
      { limit, patienceMs }: { limit: number; patienceMs: number },
    ): Promise<WaitingPage[]> {
      return await sql<WaitingPage[]>`
        select p.id, p.url, p.depth, p.tries, p.links,
          case when p.state = 'skipped' or v.status is not null then p.etag end as etag,
          case when p.state = 'skipped' or v.status is not null then p.last_modified end as last_modified
        from source_pages p
        left join crawled_hosts h on h.host = p.host
        left join documents d on d.id = p.document_id and d.deleted_at is null
        left join document_versions v on v.document_id = d.id and v.version = d.latest_version
          and v.status not in ('failed', 'cancelled')
        where p.project_id = ${projectId} and p.source_id = ${sourceId} and p.run = ${run} and p.waiting
          and (p.not_before is null or p.not_before <= now())
          and (h.next_at is null or h.next_at <= now() + ${patienceMs} * interval '1 millisecond')
        order by p.depth, p.position limit ${limit}`;
    },

    /** How many pages are still to be visited, and in how many milliseconds the next one may be. */
    async waiting(
      { projectId, sourceId, run }: CrawlKey,
      patienceMs: number,
    ): Promise<{ pages: number; nextInMs: number }> {
      const [row] = await sql<{ pages: number; nextInMs: number }[]>`
        select count(*)::int as pages, coalesce(extract(epoch from min(greatest(now(), p.not_before,
            h.next_at - ${patienceMs} * interval '1 millisecond')) - now()) * 1000, 0)::float8 as next_in_ms
        from source_pages p left join crawled_hosts h on h.host = p.host
        where p.project_id = ${projectId} and p.source_id = ${sourceId} and p.run = ${run} and p.waiting`;
      return row!;
    },

    /** Records a visit once, with the document that it makes, changes or removes, in one transaction. */
    async record(key: CrawlKey, pageId: string, visit: Visit, maxPages: number): Promise<Dispatch[]> {
      return await sql.begin((tx) => recordVisit(tx, key, pageId, visit, maxPages));
    },

    /** Leaves a page waiting, for a later try. */
    async postpone(
      { projectId, sourceId, run }: CrawlKey,
      pageId: string,
      { delayMs, reason }: { delayMs: number; reason: string },
    ): Promise<void> {
      await sql`
        update source_pages set not_before = now() + ${delayMs} * interval '1 millisecond', reason = ${reason},
          tries = tries + 1
        where project_id = ${projectId} and source_id = ${sourceId} and run = ${run} and id = ${pageId} and waiting`;
    },

    /**
     * Retires some of the pages that the crawl did not find any more, with their documents. Pages that never became a
     * document are forgotten. Returns how many there were; none means all are done.
     */
    async retireUnfound(
      { projectId, sourceId, run }: CrawlKey,
      limit: number,
    ): Promise<{ pages: number; dispatches: Dispatch[] }> {
      return await sql.begin(async (tx) => {
        const rows = await tx<{ id: string; documentId: string | null }[]>`
          select id, document_id from source_pages
          where project_id = ${projectId} and source_id = ${sourceId} and run < ${run}
          order by position limit ${limit} for update`;
        const retired = rows.filter((row) => row.documentId !== null).map((row) => row.id);
        const forgotten = rows.filter((row) => row.documentId === null).map((row) => row.id);
        const dispatches = await dropDocuments(
          tx,
          projectId,
          rows.map((row) => row.documentId),
        );
        await tx`
          update source_pages set run = ${run}, waiting = false, state = 'gone', document_id = null, etag = null,
            last_modified = null, content_hash = null, reason = 'Nothing leads to it any more.', visited_at = now()
          where id = any(${uuids(tx, retired)})`;
        await tx`delete from source_pages where id = any(${uuids(tx, forgotten)})`;
        return { pages: rows.length, dispatches };
      });
    },

    /** Deletes some of a source's documents. Returns how many there were; none means all are done. */
    async removeDocuments(
      projectId: string,
      sourceId: string,
      limit: number,
    ): Promise<{ pages: number; dispatches: Dispatch[] }> {
      return await sql.begin(async (tx) => {
        const rows = await tx<{ id: string; documentId: string }[]>`
          select id, document_id from source_pages
          where project_id = ${projectId} and source_id = ${sourceId} and document_id is not null
          order by position limit ${limit} for update`;
        const dispatches = await dropDocuments(
          tx,
          projectId,
          rows.map((row) => row.documentId),
        );
        const pages = rows.map((row) => row.id);
        await tx`update source_pages set document_id = null where id = any(${uuids(tx, pages)})`;
        return { pages: rows.length, dispatches };
      });
    },

    /** In the order in which they were found. `after` is the id of the last page of the list before. */
    async list(
      projectId: string,
      sourceId: string,
      page: { limit: number; after?: string | undefined; state?: PageState | 'waiting' | undefined },
    ): Promise<SourcePage[]> {
      const { state, after } = page;
      return await sql<SourcePage[]>`
        select id, url, depth, waiting, state, reason, document_id, visited_at from source_pages
        where project_id = ${projectId} and source_id = ${sourceId}
        ${
          state === undefined
            ? sql``
            : state === 'waiting'
              ? sql`and waiting`
              : sql`and state = ${state} and not waiting`
        }
        ${
          after === undefined
            ? sql``
            : sql`and position > (select position from source_pages
                where project_id = ${projectId} and source_id = ${sourceId} and id = ${after})`
        }
        order by position limit ${page.limit}`;
    },

    /** What became of one page of a crawl. */
    async find(
      { projectId, sourceId, run }: CrawlKey,
      url: string,
    ): Promise<{ state: PageState | null; reason: string | null } | undefined> {
      const [row] = await sql<{ state: PageState | null; reason: string | null }[]>`
        select state, reason from source_pages
        where project_id = ${projectId} and source_id = ${sourceId} and run = ${run} and url = ${url}`;
      return row;
    },

    /**
     * Takes the next time at which a host may be asked, and returns how long that is to wait for. Where it is more
     * than `patienceMs`, nothing is taken and `taken` is false.
     */
    async takeTurn(
      host: string,
      { delayMs, patienceMs }: { delayMs: number; patienceMs: number },
    ): Promise<{ taken: boolean; waitMs: number }> {
      const [turn] = await sql<{ taken: boolean; waitMs: number }[]>`
        insert into crawled_hosts as h (host, next_at) values (${host}, now() + ${delayMs} * interval '1 millisecond')
        on conflict (host) do update set next_at = case
          when h.next_at <= now() + ${patienceMs} * interval '1 millisecond'
          then greatest(h.next_at, now()) + ${delayMs} * interval '1 millisecond' else h.next_at end
        returning coalesce(old.next_at <= now() + ${patienceMs} * interval '1 millisecond', true) as taken,
          greatest(0, coalesce(extract(epoch from old.next_at - now()), 0) * 1000)::float8 as wait_ms`;
      return turn!;
    },

    /** A host has asked to be left alone for a while. */
    async block(host: string, forMs: number): Promise<void> {
      await sql`
        insert into crawled_hosts as h (host, next_at) values (${host}, now() + ${forMs} * interval '1 millisecond')
        on conflict (host) do update set next_at = greatest(h.next_at, excluded.next_at)`;
    },
  };
}
