import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readConfig } from '../config.ts';
import { runDrill } from './drill/drill.ts';
import type { Ledger } from './drill/ledger.ts';
import { table } from './drill/report.ts';
import type { DrillStack } from './drill/stack.ts';
import { judge, type Verdict } from './drill/verdict.ts';

// The short form of `npm run drill`: each process and server is killed with SIGKILL and told to stop once.

test('what was accepted survives the death of any process', { timeout: 600_000 }, async () => {
  let sabotaged: Verdict | undefined;
  const { kills, ledger, verdict } = await runDrill('drill-e2e', {
    seed: 4,
    kills: 'short',
    visitors: 3,
    integrators: 1,
    bulk: { size: 50, batches: 1 },
    contacts: 2,
    crawlers: 1,
    logFolder: join(readConfig().FRONTDESK_HOME, 'drill-e2e-logs'),
    say: (line) => console.log(line),
    async afterwards(stack, promised) {
      await sabotage(stack, promised);
      sabotaged = await judge(stack, promised, []);
    },
  });
  console.log(table(kills, ledger, verdict));
  expect(kills).toHaveLength(12);
  expect([...verdict.lost, ...verdict.twice]).toEqual([]);
  expect(verdict.accepted.questions).toBeGreaterThan(30);
  expect(verdict.turns.answered).toBeGreaterThan(10);
  expect(verdict.documentsReady).toBeGreaterThan(50);
  expect(verdict.accepted.versions).toBeGreaterThan(0);
  expect(verdict.sites.crawled).toBeGreaterThan(0);
  expect(verdict.leads.verified).toBeGreaterThan(3);

  // A judge who finds nothing proves something only if he would have found it.
  const found = [...sabotaged!.lost, ...sabotaged!.twice].join('\n');
  expect(found).toMatch(/was promised and does not exist/);
  expect(found).toMatch(/2 turns for one question/);
  expect(found).toMatch(/shown .* recorded/);
  expect(found).toMatch(/chunks are stored, its text gives/);
  expect(found).toMatch(/Elasticsearch misses 1 chunks/);
  expect(found).toMatch(/deleted, and .* is still there/);
  expect(found).toMatch(/page .* is gone/);
  expect(found).toMatch(/was verified and is no lead/);
  expect(found).toMatch(/got 2 codes under 2 Message-IDs/);
});

/** Does by hand what a crash must not do. */
async function sabotage(stack: DrillStack, ledger: Ledger): Promise<void> {
  const { sql, elasticsearch, chunkIndex: index, projectId, mailbox } = stack;
  const [gone, altered, doubled] = ledger.questions
    .filter(({ outcomes }) => outcomes[0]?.status === 'answered')
    .map(({ turnIds }) => [...turnIds][0]!);
  await sql`delete from turns where id = ${gone!}`;
  await sql`update turns set reply = 'something else' where id = ${altered!}`;
  await sql`
    insert into turns (id, project_id, conversation_id, position, status, question, reply)
    select gen_random_uuid(), project_id, conversation_id, 1000, status, question, reply
    from turns where id = ${doubled!}`;

  const [page] = ledger.sites.find(({ crawls }) => crawls === 2)!.pages.keys();
  await sql`update documents set source = 'elsewhere' where project_id = ${projectId} and source = ${page!}`;
  const [contact, other] = ledger.contacts.filter(({ verified }) => verified);
  await sql`delete from leads where email = ${contact!.address}`;
  mailbox.mails.push({ to: [other!.address], messageId: '<another>', raw: 'Subject: 000000 is your code' });

  const kept = ledger.documents.filter(({ deletion }) => deletion === 'none').map(idOf);
  const [unindexed] = await sql<
    { id: string }[]
  >`select id from chunks where document_id = ${kept[0]!} limit 1`;
  const [name] = Object.keys(await elasticsearch.indices.get({ index }));
  await elasticsearch.delete({ index: name!, id: unindexed!.id, routing: projectId, refresh: true });
  await sql`delete from chunks where id = (select id from chunks where document_id = ${kept[1]!} limit 1)`;
  const [deleted] = ledger.documents.filter(({ deletion }) => deletion === 'accepted').map(idOf);
  await sql`
    insert into documents (id, project_id, title, source, latest_version)
    values (${deleted!}, ${projectId}, 'still there', 'api', 1)`;
  await sql`
    insert into document_versions
      (project_id, document_id, version, title, mime_type, size_bytes, content_hash, status)
    values (${projectId}, ${deleted!}, 1, 'still there', 'text/markdown', 1, '', 'ready')`;
}

const idOf = ({ documentIds }: Ledger['documents'][number]) => [...documentIds][0]!;
