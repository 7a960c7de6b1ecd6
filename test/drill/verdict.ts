// Compares what clients were promised with what is recorded.
import { setTimeout as sleep } from 'node:timers/promises';
import { chunkText } from '../../domain/chunking.ts';
import { ingestWorkflowId, leadWorkflowId, turnWorkflowId } from '../../domain/flows.ts';
import type { Ledger, Question, UploadedDocument } from './ledger.ts';
import type { DrillStack } from './stack.ts';
import { checkContacts, checkSites, repeatedMails } from './verdict-sources.ts';

export interface Verdict {
  accepted: { questions: number; documents: number; versions: number; deletions: number };
  turns: Record<string, number>;
  /** The recorded reasons of failed turns, with how often. */
  failures: Map<string, number>;
  documentsReady: number;
  /** Sites that were crawled twice, and their pages. */
  sites: { crawled: number; pages: number };
  leads: { verified: number; repeatedMails: number };
  /** Each in words. Empty is what we promise. */
  lost: string[];
  twice: string[];
}

interface TurnRow {
  id: string;
  question: string;
  status: string;
  reply: string | null;
  errorCode: string | null;
  errorMessage: string | null;
}

type Checks = DrillStack & { ledger: Ledger; lost: string[]; twice: string[] };

/** Waits until nothing is under way. Returns what still is when the time is over, in words. */
export async function untilQuiet(stack: DrillStack, ledger: Ledger, limitMs: number): Promise<string[]> {
  const end = Date.now() + limitMs;
  for (;;) {
    const busy = await unfinished(stack, ledger).catch((error: Error) => [error.message]);
    if (busy.length === 0 || Date.now() > end) return busy;
    await sleep(500);
  }
}

async function unfinished({ sql, temporal }: DrillStack, ledger: Ledger): Promise<string[]> {
  // Others wait for visitors who were never told of them, until they expire.
  const sessions = new Set(ledger.contacts.map(({ sessionId }) => sessionId && leadWorkflowId(sessionId)));
  const rows = await sql<{ what: string }[]>`
    select 'dispatch of ' || workflow_id || ': ' || coalesce(last_error, 'not tried') as what from dispatches
    union all select 'turn ' || id || ' is ' || status from turns where status in ('queued', 'running')
    union all select 'document ' || document_id || ' is ' || status
      from document_versions where status in ('queued', 'processing')
    union all select 'crawl ' || source_id || ' is ' || status
      from source_runs where status in ('queued', 'running', 'paused')
    union all select 'mail ' || id || ' is ' || status from mails where status = 'queued'
    union all select 'document ' || id || ' is not removed' from documents where deleted_at is not null`;
  const open: string[] = [];
  for await (const { workflowId } of temporal.workflow.list({ query: "ExecutionStatus = 'Running'" })) {
    if (workflowId.startsWith(leadWorkflowId('')) && !sessions.has(workflowId)) continue;
    open.push(`workflow ${workflowId} is open`);
  }
  return [...rows.map((row) => row.what), ...open];
}

export async function judge(stack: DrillStack, ledger: Ledger, stillBusy: string[]): Promise<Verdict> {
  const checks: Checks = { ...stack, ledger, lost: stillBusy.map((what) => `stuck: ${what}`), twice: [] };
  const turns = await turnsOf(stack);
  await checkQuestions(checks, turns);
  await checkDocuments(checks);
  await checkSites(checks);
  await checkContacts(checks);
  await checkWorkflows(checks, turns);
  const failed = turns.filter((turn) => turn.status === 'failed');
  return {
    accepted: {
      questions: ledger.questions.filter(({ turnIds }) => turnIds.size > 0).length,
      documents: ledger.documents.filter(({ documentIds }) => documentIds.size > 0).length,
      versions: ledger.documents.reduce((sum, { versions }) => sum + versions - 1, 0),
      deletions: ledger.documents.filter(({ deletion }) => deletion === 'accepted').length,
    },
    turns: tally(turns.map((turn) => turn.status)),
    failures: new Map(Object.entries(tally(failed.map((turn) => `${turn.errorCode}: ${turn.errorMessage}`)))),
    documentsReady: ledger.documents.filter((document) => isKept(document)).length,
    sites: {
      crawled: ledger.sites.filter(({ crawls }) => crawls === 2).length,
      pages: ledger.sites.reduce((sum, { crawls, pages }) => sum + (crawls === 2 ? pages.size : 0), 0),
    },
    leads: {
      verified: ledger.contacts.filter(({ verified }) => verified).length,
      repeatedMails: repeatedMails(stack, ledger),
    },
    lost: checks.lost,
    twice: checks.twice,
  };
}

async function turnsOf({ sql, projectId }: DrillStack): Promise<TurnRow[]> {
  return await sql<TurnRow[]>`
    select id, question, status, reply, error_code, error_message from turns where project_id = ${projectId}`;
}

async function checkQuestions({ ledger, lost, twice }: Checks, turns: readonly TurnRow[]): Promise<void> {
  const byId = new Map(turns.map((turn) => [turn.id, turn]));
  const byQuestion = Map.groupBy(turns, (turn) => turn.question);
  for (const [question, rows] of byQuestion) {
    if (rows.length > 1) twice.push(`${rows.length} turns for one question: ${question}`);
  }
  for (const turn of turns) {
    // Nobody ended a workflow by hand, so one that has vanished was lost.
    if (turn.errorCode?.startsWith('WORKFLOW_')) lost.push(`turn ${turn.id}: ${turn.errorMessage}`);
  }
  for (const question of ledger.questions) {
    const name = `question "${question.text}"`;
    if (question.complaint) lost.push(`${name} ${question.complaint}`);
    if (question.turnIds.size > 1) twice.push(`${name} was promised ${question.turnIds.size} turns`);
    for (const turnId of question.turnIds) {
      const turn = byId.get(turnId);
      if (!turn) lost.push(`${name}: turn ${turnId} was promised and does not exist`);
      else lost.push(...differences(question, turn).map((what) => `${name}: ${what}`));
    }
  }
}

/** What a client saw must be what is recorded, however often it asked. */
function differences({ outcomes }: Question, turn: TurnRow): string[] {
  const found: string[] = [];
  if (turn.status === 'answered' && !turn.reply) found.push('the recorded answer is empty');
  for (const outcome of outcomes) {
    const same =
      outcome.status === 'failed'
        ? turn.status === 'failed' && outcome.code === turn.errorCode
        : outcome.status === turn.status && outcome.reply === turn.reply;
    if (!same) {
      found.push(`shown ${JSON.stringify(outcome)}, recorded ${turn.status} ${JSON.stringify(turn.reply)}`);
    }
  }
  return found;
}

const isKept = ({ documentIds, deletion }: UploadedDocument) => documentIds.size > 0 && deletion === 'none';

async function checkDocuments(checks: Checks): Promise<void> {
  const { sql, projectId, ledger, lost, twice } = checks;
  const rows = await sql<
    { id: string; title: string; status: string; current: boolean; error: string | null }[]
  >`
    select d.id, d.title, v.status, d.current_version = v.version as current, v.error_message as error
    from documents d join document_versions v on v.document_id = d.id and v.version = d.latest_version
    where d.project_id = ${projectId}`;
  const chunks = await sql<{ id: string; documentId: string; text: string }[]>`
    select id, document_id, text from chunks where project_id = ${projectId} order by document_id, ordinal`;
  const chunksOf = Map.groupBy(chunks, (chunk) => chunk.documentId);
  for (const [title, found] of Map.groupBy(rows, (row) => row.title)) {
    if (found.length > 1) twice.push(`${found.length} documents for one upload: ${title}`);
  }
  const byId = new Map(rows.map((row) => [row.id, row]));
  for (const document of ledger.documents) {
    const name = `document "${document.title}"`;
    if (document.complaint) lost.push(`${name}: ${document.complaint}`);
    if (document.documentIds.size > 1) twice.push(`${name} was promised ${document.documentIds.size} ids`);
    for (const id of document.documentIds) {
      const row = byId.get(id);
      const stored = chunksOf.get(id) ?? [];
      if (document.deletion === 'accepted') {
        if (row || stored.length > 0) lost.push(`${name}: deleted, and ${id} is still there`);
      } else if (isKept(document)) {
        const expected = chunkText(document.content).map(({ text }) => text);
        if (row?.status !== 'ready' || !row.current) {
          lost.push(`${name}: ${id} is ${row?.status ?? 'gone'} ${row?.error ?? ''}`);
        } else if (JSON.stringify(stored.map(({ text }) => text)) !== JSON.stringify(expected)) {
          lost.push(`${name}: ${stored.length} chunks are stored, its text gives ${expected.length}`);
        }
      }
    }
  }
  await compareIndex(checks, new Set(chunks.map((chunk) => chunk.id)));
}

/** Elasticsearch holds exactly the chunks that PostgreSQL holds. */
async function compareIndex(checks: Checks, stored: ReadonlySet<string>): Promise<void> {
  const { elasticsearch, chunkIndex: index, projectId, lost } = checks;
  await elasticsearch.indices.refresh({ index });
  const indexed = new Set<string>();
  const query = { term: { project_id: projectId } };
  for await (const { body } of elasticsearch.helpers.scrollSearch({ index, query, size: 2_000 })) {
    for (const hit of body.hits.hits) indexed.add(hit._id!);
  }
  const missing = [...stored].filter((id) => !indexed.has(id)).length;
  const orphans = [...indexed].filter((id) => !stored.has(id)).length;
  if (missing > 0) lost.push(`Elasticsearch misses ${missing} chunks`);
  if (orphans > 0) lost.push(`Elasticsearch has ${orphans} chunks that PostgreSQL has not`);
}

async function checkWorkflows(checks: Checks, turns: readonly TurnRow[]): Promise<void> {
  const { temporal, ledger, lost, twice } = checks;
  const runs = new Map<string, number>();
  for await (const { workflowId } of temporal.workflow.list()) {
    runs.set(workflowId, (runs.get(workflowId) ?? 0) + 1);
  }
  for (const [id, number] of runs) if (number > 1) twice.push(`${number} runs of workflow ${id}`);
  const expected = [
    ...turns.map((turn) => turnWorkflowId(turn.id)),
    ...ledger.documents.flatMap(({ documentIds, versions }) =>
      [...documentIds].flatMap((id) =>
        Array.from({ length: versions }, (_, n) => ingestWorkflowId(id, n + 1, 1)),
      ),
    ),
    ...ledger.contacts.flatMap(({ sessionId }) => (sessionId ? [leadWorkflowId(sessionId)] : [])),
  ];
  for (const id of expected) if (!runs.has(id)) lost.push(`workflow ${id} does not exist`);
}

function tally(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
