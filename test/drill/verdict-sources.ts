// What became of crawled sites and of the visitors who left their contact.
import { chunkText } from '../../domain/chunking.ts';
import type { Ledger } from './ledger.ts';
import { codesIn, mailsTo } from './mailbox.ts';
import type { DrillStack } from './stack.ts';

type Found = { ledger: Ledger; lost: string[]; twice: string[] };

/** Each page is one document that says what the page says, in as many chunks as its text gives. */
export async function checkSites({ sql, projectId, ledger, lost, twice }: DrillStack & Found): Promise<void> {
  const rows = await sql<
    { source: string; status: string; current: boolean; chunks: number; bytes: Uint8Array | null }[]
  >`
    select d.source, v.status, d.current_version = v.version as current, b.bytes,
      (select count(*)::int from chunks c where c.document_id = d.id) as chunks
    from documents d
    join document_versions v on v.document_id = d.id and v.version = d.latest_version
    left join blobs b on b.project_id = d.project_id and b.hash = v.text_hash
    where d.project_id = ${projectId} and d.deleted_at is null`;
  const bySource = Map.groupBy(rows, ({ source }) => source);
  for (const site of ledger.sites) {
    if (site.complaint) lost.push(`site ${site.url}: ${site.complaint}`);
    if (site.crawls < 2) continue;
    for (const [url, text] of site.pages) {
      const found = bySource.get(url) ?? [];
      if (found.length > 1) twice.push(`${found.length} documents of the page ${url}`);
      const [row] = found;
      if (row?.status !== 'ready' || !row.current) lost.push(`page ${url} is ${row?.status ?? 'gone'}`);
      else {
        const stored = Buffer.from(row.bytes ?? []).toString();
        const expected = chunkText(stored).length;
        if (row.chunks !== expected) lost.push(`page ${url}: ${row.chunks} chunks instead of ${expected}`);
        if (!stored.includes(text)) lost.push(`page ${url} says what it said before`);
      }
    }
    for (const { source } of rows) {
      if (source.startsWith(site.url) && !site.pages.has(source))
        lost.push(`page ${source} is gone, and its document is not`);
    }
  }
}

/** Each verified visitor is one lead; a mail may be repeated, with the same code and Message-ID. */
export async function checkContacts(found: DrillStack & Found): Promise<void> {
  const { sql, projectId, mailbox, ledger, lost, twice } = found;
  const rows = await sql<{ email: string; name: string }[]>`
    select email, name from leads where project_id = ${projectId}`;
  const byEmail = Map.groupBy(rows, ({ email }) => email);
  for (const { address, name, verified, complaint } of ledger.contacts) {
    if (complaint) lost.push(`contact ${address}: ${complaint}`);
    const leads = byEmail.get(address) ?? [];
    if (leads.length > 1) twice.push(`${leads.length} leads of ${address}`);
    if (verified && leads[0]?.name !== name) lost.push(`contact ${address} was verified and is no lead`);
    const codes = new Set(codesIn(mailbox, address));
    const ids = new Set(mailsTo(mailbox, address).map(({ messageId }) => messageId));
    if (codes.size > 1 || ids.size > 1) {
      twice.push(`${address} got ${codes.size} codes under ${ids.size} Message-IDs`);
    }
  }
}

/** Mails beyond the first to the same address. */
export const repeatedMails = ({ mailbox }: DrillStack, ledger: Ledger): number =>
  ledger.contacts.reduce((sum, { address }) => sum + Math.max(0, mailsTo(mailbox, address).length - 1), 0);
