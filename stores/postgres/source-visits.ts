import type { TransactionSql } from 'postgres';
import type { Dispatch } from '../../domain/flows.ts';
import type { CrawlKey, PageState } from '../../domain/sources.ts';
import { newId, uuids } from './ids.ts';
import { dropDocuments, putDocument } from './source-documents.ts';

export interface FoundPage {
  url: string;
  depth: number;
}

/** What a server says of a body, to be asked for only what has changed the next time. */
export interface Validators {
  etag: string | null;
  lastModified: string | null;
}

/** What a visit of a page has found. `found` are the pages that it leads to, `links` all its links. */
export type Visit = { found: readonly FoundPage[] } & (
  | ({
      kind: 'content';
      title: string;
      mimeType: string;
      /** Of a file that is no page. */
      filename: string | undefined;
      bytes: Uint8Array;
      /** Of what is ingested: the same means that nothing is to be done. */
      contentHash: Uint8Array;
      links: readonly string[];
      /** Another address by which the page wants to be known. */
      canonical: string | undefined;
    } & Validators)
  | { kind: 'unchanged' }
  /** The page is there and is no document. */
  | ({ kind: 'skipped'; reason: string; links?: readonly string[] } & Partial<Validators>)
  | { kind: 'gone'; reason: string }
  /** It could not be read this time: its document stays. */
  | { kind: 'failed'; reason: string }
);

interface VisitedPage {
  url: string;
  depth: number;
  state: PageState | null;
  reason: string | null;
  contentHash: Uint8Array | null;
  documentId: string | null;
  /** Its document is there and was not left half done. */
  usable: boolean;
}

/** Adds pages that the crawl has not found yet. Holds the crawl's row, so that two visits count one after the other. */
export async function addFound(
  tx: TransactionSql,
  { projectId, sourceId, run }: CrawlKey,
  pages: readonly FoundPage[],
  maxPages: number,
): Promise<number> {
  if (pages.length === 0) return 0;
  const [crawl] = await tx<{ found: number }[]>`
    select found from source_runs
    where project_id = ${projectId} and source_id = ${sourceId} and run = ${run} for update`;
  if (!crawl) return 0;
  const depths = new Map(pages.map(({ url, depth }) => [url, depth]));
  const known = await tx<{ url: string }[]>`
    select url from source_pages
    where source_id = ${sourceId} and run >= ${run} and url = any(${tx.array([...depths.keys()])}::text[])`;
  for (const { url } of known) depths.delete(url);
  const added = [...depths].slice(0, Math.max(0, maxPages - crawl.found));
  if (added.length > 0) {
    const newIds = added.map(() => newId());
    await tx`
      insert into source_pages as p (id, project_id, source_id, run, url, host, depth)
      select f.id, ${projectId}, ${sourceId}, ${run}, f.url, f.host, f.depth
      from unnest(${uuids(tx, newIds)}, ${tx.array(added.map(([url]) => url))}::text[],
        ${tx.array(added.map(([url]) => new URL(url).host))}::text[],
        ${tx.array(added.map(([, depth]) => depth))}::integer[]) with ordinality as f (id, url, host, depth, n)
      order by f.n
      on conflict (source_id, url) do update
        set run = excluded.run, depth = excluded.depth, waiting = true, tries = 0, not_before = null`;
  }
  await tx`
    update source_runs set found = found + ${added.length}, updated_at = now(),
      partial = partial or ${added.length < depths.size}
    where source_id = ${sourceId} and run = ${run}`;
  return added.length;
}

/** Records a visit. One that is recorded already, by a try that was taken for dead, is left as it is. */
export async function recordVisit(
  tx: TransactionSql,
  key: CrawlKey,
  pageId: string,
  visit: Visit,
  maxPages: number,
): Promise<Dispatch[]> {
  const { projectId, sourceId, run } = key;
  await tx`select 1 from source_runs where source_id = ${sourceId} and run = ${run} for update`;
  const [page] = await tx<VisitedPage[]>`
    select p.url, p.depth, p.state, p.reason, p.content_hash, d.id as document_id,
      coalesce(v.status not in ('failed', 'cancelled'), false) as usable
    from source_pages p
    left join documents d on d.id = p.document_id and d.deleted_at is null
    left join document_versions v on v.document_id = d.id and v.version = d.latest_version
    where p.project_id = ${projectId} and p.source_id = ${sourceId} and p.run = ${run} and p.id = ${pageId}
      and p.waiting
    for update of p`;
  if (!page) return [];
  await addFound(tx, key, visit.found, maxPages);
  const { dispatches, ...result } = await settle(tx, key, pageId, page, visit, maxPages);
  await tx`
    update source_pages set waiting = false, not_before = null, visited_at = now(), state = ${result.state},
      reason = ${result.reason}, document_id = ${result.documentId} where id = ${pageId}`;
  if (visit.kind === 'content' || visit.kind === 'skipped') {
    const { etag = null, lastModified = null, links = [] } = visit;
    const contentHash = visit.kind === 'content' ? Buffer.from(visit.contentHash) : null;
    await tx`
      update source_pages set etag = ${etag}, last_modified = ${lastModified}, links = ${tx.array([...links])},
        content_hash = ${contentHash} where id = ${pageId}`;
  }
  if (page.documentId !== null && result.documentId === null && page.contentHash) {
    // Pages that were left out because they say the same are read again.
    await tx`
      update source_pages set etag = null, last_modified = null
      where source_id = ${sourceId} and document_id is null and content_hash = ${Buffer.from(page.contentHash)}`;
  }
  return dispatches;
}

interface Result {
  state: PageState;
  reason: string | null;
  documentId: string | null;
  dispatches: Dispatch[];
}

async function settle(
  tx: TransactionSql,
  key: CrawlKey,
  pageId: string,
  page: VisitedPage,
  visit: Visit,
  maxPages: number,
): Promise<Result> {
  const { projectId, sourceId } = key;
  const { documentId } = page;
  const drop = async (state: 'gone' | 'skipped', reason: string): Promise<Result> => ({
    state,
    reason,
    documentId: null,
    dispatches: await dropDocuments(tx, projectId, [documentId]),
  });
  switch (visit.kind) {
    case 'failed':
      return { state: 'failed', reason: visit.reason, documentId, dispatches: [] };
    case 'gone':
      // A link that never led to a document is broken; nothing has gone.
      return documentId === null
        ? { state: 'failed', reason: visit.reason, documentId, dispatches: [] }
        : await drop('gone', visit.reason);
    case 'skipped':
      return await drop('skipped', visit.reason);
    case 'unchanged':
      // A page that was left out is left out for the same reason.
      return documentId === null && page.state === 'skipped'
        ? { state: 'skipped', reason: page.reason, documentId, dispatches: [] }
        : { state: 'unchanged', reason: null, documentId, dispatches: [] };
  }
  if (visit.canonical && (await yields(tx, key, page, visit.canonical, maxPages)))
    return await drop('skipped', `It wants to be known as ${visit.canonical}.`);
  const hash = Buffer.from(visit.contentHash);
  if (page.usable && page.contentHash && hash.equals(page.contentHash))
    return { state: 'unchanged', reason: null, documentId, dispatches: [] };
  const [twin] = await tx<{ url: string }[]>`
    select p.url from source_pages p join documents d on d.id = p.document_id and d.deleted_at is null
    where p.source_id = ${sourceId} and p.id <> ${pageId} and p.content_hash = ${hash}
    order by p.position limit 1`;
  if (twin) return await drop('skipped', `It says the same as ${twin.url}.`);
  const { title, mimeType, filename, bytes } = visit;
  const { dispatch, ...put } = await putDocument(tx, projectId, documentId, {
    title: title || page.url,
    source: page.url,
    metadata: { sourceId },
    mimeType,
    filename,
    bytes,
  });
  const state = documentId === null ? 'new' : 'changed';
  return { state, reason: null, documentId: put.documentId, dispatches: dispatch ? [dispatch] : [] };
}

/** Whether a page stands back for its canonical address. Not where that is no document either: pages can point in circles. */
async function yields(
  tx: TransactionSql,
  key: CrawlKey,
  page: VisitedPage,
  canonical: string,
  maxPages: number,
): Promise<boolean> {
  if (canonical === page.url) return false;
  await addFound(tx, key, [{ url: canonical, depth: page.depth }], maxPages);
  const [target] = await tx<{ waiting: boolean; state: PageState | null }[]>`
    select waiting, state from source_pages
    where source_id = ${key.sourceId} and run = ${key.run} and url = ${canonical}`;
  return (
    target !== undefined && (target.waiting || ['new', 'changed', 'unchanged'].includes(target.state ?? ''))
  );
}
