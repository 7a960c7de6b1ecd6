// Records one history of each way that each workflow can end, for test/replay.int.test.ts. Run it when a workflow gains
// a new way, under a new name: histories of released versions stay, because such workflows may still be running.
//   node test/support/record-histories.ts
import { access, writeFile } from 'node:fs/promises';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { turnsInFull } from '../../domain/summaries.ts';
import { onFreshServers } from '../../bench/support/environment.ts';
import { setUpSchedules } from '../../temporal/schedules.ts';
import { createApiClient, eventually } from './api-client.ts';
import { startHubSpot } from './hubspot-server.ts';
import { startOpenAiServer } from './openai-server.ts';
import { startReceiver } from './webhook-receiver.ts';
import { startVisitor } from './visitor.ts';
import { sitePage, startSite } from './crawled-site.ts';

const folder = new URL('../histories/', import.meta.url);
/** Stack traces name the files of whatever machine this runs on. */
const root = new URL('../../', import.meta.url);

await onFreshServers('histories', async (environment) => {
  const project = await environment.createProject();
  const openai = await startOpenAiServer();
  const env = {
    OPENAI_BASE_URL: openai.url,
    OPENAI_API_KEY: 'key',
    OUTBOUND_ALLOWED_RANGES: '127.0.0.1/32',
  };
  const { url } = await environment.startApi(env);
  const api = createApiClient(url, project.key);
  let worker = await environment.startWorker(env);

  async function save(name: string, workflowId: string): Promise<void> {
    const handle = environment.temporal.workflow.getHandle(workflowId);
    // A sweep may have to start it first.
    await eventually(async () => await handle.describe().catch(() => undefined));
    await handle.result().catch(() => {});
    const file = new URL(`${name}.json`, folder);
    if (
      await access(file).then(
        () => true,
        () => false,
      )
    )
      return;
    const history = historyToJSON(await handle.fetchHistory())
      .replaceAll(root.href, '')
      .replaceAll(root.pathname, '');
    await writeFile(file, `${JSON.stringify(JSON.parse(history), null, 1)}\n`);
    console.log(name);
  }
  const ingestion = (documentId: string, version = 1) => `ingest/${documentId}/v${version}`;

  const ready = await api.upload('# Opening hours\n\nWe are open from ten to six.');
  await api.ready(ready);
  await save('ingest-document-ready', ingestion(ready));
  const empty = await api.upload('...');
  await save('ingest-document-failed', ingestion(empty));
  await api.call('PUT', `/documents/${ready}`, {
    content: '# Opening hours\n\nWe are open from nine to six.',
  });
  await api.ready(ready);
  await save('ingest-document-replaced', ingestion(ready, 2));
  const { chunks } = (await api.call('GET', `/documents/${ready}/chunks`)).json;
  await api.call('PATCH', `/documents/${ready}/chunks/${chunks[0].id}`, {
    text: 'We are open from eight to six.',
  });
  await save('update-chunks', `chunks/${ready}/e1`);
  await api.call('POST', '/retrieval/questions', {
    question: 'When are you open?',
    expectedDocuments: [ready],
  });
  const { evaluation } = (await api.call('POST', '/retrieval/evaluate')).json;
  await save('evaluate-retrieval', `evaluate/${evaluation.id}`);

  // To another embedding model and back; a document that comes meanwhile waits for its provider.
  const { rebuild } = (await api.call('POST', '/retrieval/rebuilds', { embeddingProvider: 'openai' })).json;
  const at = `/retrieval/rebuilds/${rebuild.id}`;
  await eventually(async () =>
    (await api.call('GET', at)).json.rebuild.status === 'switched' ? true : undefined,
  );
  openai.next({ status: 429, headers: { 'retry-after': '2' } });
  await save('ingest-document-waiting', ingestion(await api.upload('We are closed on Sundays.')));
  await api.call('POST', `${at}/rollback`);
  await save('rebuild-index-rolled-back', `rebuild/${project.id}/1`);
  await openai.close();

  const answered = await api.ask('When are you open?');
  await save('chat-turn-answered', `turn/${answered.json.turnId}`);
  const declined = await api.ask('Who painted the Mona Lisa?');
  await save('chat-turn-declined', `turn/${declined.json.turnId}`);

  // So long a conversation that its earlier turns are summarised.
  const { conversationId } = answered.json;
  let last = answered;
  for (let n = 0; n < turnsInFull; n++) last = await api.ask('When are you open?', { conversationId });
  await save('chat-turn-summarised', `turn/${last.json.turnId}`);

  // Webhooks: one that takes the event, one that is gone.
  for (const [name, status] of [
    ['delivered', 200],
    ['failed', 410],
  ] as const) {
    const receiver = await startReceiver({ status });
    const { webhook } = await environment.stores.webhooks.create(project.id, {
      url: receiver.url,
      events: ['feedback.received'],
      enabled: true,
    });
    await environment.stores.feedback.put(project.id, answered.json.turnId, { rating: 'up', text: name });
    const { deliveries } = await environment.stores.webhooks.deliveries(project.id, webhook.id, { limit: 1 });
    await environment.stores.webhooks.update(project.id, webhook.id, { events: ['document.failed'] });
    const workflowId = `webhook/${deliveries[0]!.id}`;
    await eventually(async () => ((await environment.stores.dispatches.has(workflowId)) ? undefined : true));
    await save(`deliver-webhook-${name}`, workflowId);
    receiver.close();
  }

  const [question] = await environment.stores.questions.unanswered(project.id, { limit: 1, open: true });
  await api.call('POST', `/unanswered/${question!.id}/answer`, { answer: 'Leonardo da Vinci painted it.' });
  const [row] = await environment.sql<{ id: string }[]>`select id from question_answers`;
  await save('answer-question', `question/${row!.id}`);

  await setUpSchedules(environment.temporal);
  const schedule = environment.temporal.schedule.getHandle('retention');
  await schedule.trigger();
  const nightly = await eventually(
    async () => (await schedule.describe()).info.recentActions[0]?.action.workflow,
  );
  await save('apply-retention', nightly.workflowId);

  // Without a worker the workflow is cancelled before it begins; the next worker finds both events.
  worker.kill('SIGTERM');
  await worker.exited;
  const asked = api.ask('Is this cancelled?');
  const turnId = await eventually(async () => {
    const [row] = await environment.sql<{ id: string }[]>`
      select id from turns where question = 'Is this cancelled?'
        and not exists (select 1 from dispatches where workflow_id = 'turn/' || turns.id)`;
    return row?.id;
  });
  await environment.temporal.workflow.getHandle(`turn/${turnId}`).cancel();
  const cancelled = await api.upload('This is cancelled before it begins.');
  await api.call('POST', `/documents/${cancelled}/cancel`);
  const paused = await api.upload('This is paused before it begins.');
  await api.call('POST', `/documents/${paused}/pause`);
  worker = await environment.startWorker({ OUTBOUND_ALLOWED_RANGES: '127.0.0.1/32' });
  await save('ingest-document-cancelled', ingestion(cancelled));
  await eventually(async () => {
    const { json } = await api.call('GET', `/documents/${paused}`);
    return json.document.progress?.paused ? true : undefined;
  });
  await api.call('POST', `/documents/${paused}/resume`);
  await api.ready(paused);
  await save('ingest-document-paused', ingestion(paused));
  await asked;
  await save('chat-turn-cancelled', `turn/${turnId}`);

  // A site of one page, and one that is not there.
  const site = await startSite((path) =>
    path === '/'
      ? { body: sitePage('Lamps', 'We sell lamps of all kinds, and we mend them as well.') }
      : undefined,
  );
  const source = (
    await api.call('POST', '/sources', { url: site.url, schedule: { everyMinutes: 60 }, delayMs: 0 })
  ).json.source.id;
  await save('crawl-site-done', `crawl/${source}/1`);
  await save('sync-source-scheduled', `source/${source}/1`);
  const missing = (await api.call('POST', '/sources', { url: `${site.url}/missing` })).json.source.id;
  await save('crawl-site-failed', `crawl/${missing}/1`);
  worker.kill('SIGTERM');
  await worker.exited;
  await api.call('POST', `/sources/${source}/crawl`);
  const crawl = environment.temporal.workflow.getHandle(`crawl/${source}/2`);
  await eventually(() =>
    crawl.signal('pause').then(
      () => true,
      () => undefined,
    ),
  );
  worker = await environment.startWorker({ OUTBOUND_ALLOWED_RANGES: '127.0.0.1/32' });
  await eventually(async () => {
    const { json } = await api.call('GET', `/sources/${source}`);
    return json.source.crawl.status === 'paused' ? true : undefined;
  });
  await api.call('POST', `/sources/${source}/resume`);
  await save('crawl-site-paused', `crawl/${source}/2`);
  worker.kill('SIGTERM');
  await worker.exited;
  await api.call('POST', `/sources/${source}/crawl`);
  const stopped = environment.temporal.workflow.getHandle(`crawl/${source}/3`);
  await eventually(() =>
    stopped.cancel().then(
      () => true,
      () => undefined,
    ),
  );
  worker = await environment.startWorker({ OUTBOUND_ALLOWED_RANGES: '127.0.0.1/32' });
  await save('crawl-site-cancelled', `crawl/${source}/3`);
  await api.call('DELETE', `/sources/${source}`);
  await save('sync-source-deleted', `source/${source}/2`);
  await site.close();

  await api.call('DELETE', `/documents/${ready}`);
  await save('delete-document', `delete/${ready}`);

  // A lead's code is in a mail; here it is made a known one.
  const known = '123456';
  const visitor = async (question?: string) => {
    const session = await startVisitor(api);
    if (question) await session.say(question);
    await session.say('Mira');
    await session.say(`${session.sessionId}@visitors.example`);
    await environment.sql`
      update lead_codes set hash = ${environment.stores.leadSteps.hashOf(session.sessionId, known)}
      where session_id = ${session.sessionId}`;
    return session;
  };
  const verified = await visitor('When are you open?');
  await verified.verify('000000');
  await verified.resend();
  await verified.verify(known);
  await save('lead-verification-ready', `lead/${verified.sessionId}`);
  const blocked = await visitor();
  for (let n = 0; n < 5; n += 1) await blocked.verify('000000');
  await save('lead-verification-blocked', `lead/${blocked.sessionId}`);
  const dropped = await startVisitor(api);
  await dropped.say('??');
  await environment.temporal.workflow.getHandle(`lead/${dropped.sessionId}`).cancel();
  await save('lead-verification-cancelled', `lead/${dropped.sessionId}`);
  const [mail] = await environment.sql<{ id: string }[]>`
    select code_id as id from lead_sessions where id = ${verified.sessionId}`;
  await save('send-mail-sent', `mail/${mail!.id}`);
  const [lead] = await environment.sql<{ id: string }[]>`select id from leads`;
  const erasure = await environment.stores.visitorErasures.request(project.id, lead!.id, null);
  await save('erase-visitor', `erase/${erasure!.receipt.id}`);

  // A lead that the CRM takes, one that it refuses, and the first erased.
  const token = 'pat-test-0123456789';
  const hubSpot = await startHubSpot({ token });
  await environment.stores.crmConnections.put(project.id, {
    crm: 'hubspot',
    token,
    baseUrl: hubSpot.url,
    mapping: { firstName: 'firstname' },
    onErasure: 'delete',
  });
  const send = async (ending: string) => {
    const session = await visitor();
    await session.verify(known);
    const [row] = await environment.sql<{ leadId: string }[]>`
      select lead_id from lead_sessions where id = ${session.sessionId}`;
    await save(`sync-contact-${ending}`, `crm/${row!.leadId}/1`);
    return row!.leadId;
  };
  const contact = await send('sent');
  hubSpot.next({ status: 400, category: 'VALIDATION_ERROR' });
  await send('failed');
  const withContact = await environment.stores.visitorErasures.request(project.id, contact, null);
  await save('erase-visitor-contact', `erase/${withContact!.receipt.id}`);
  hubSpot.close();

  // A worker that finds no Elasticsearch: the turn tries until its deadline.
  worker.kill('SIGTERM');
  await worker.exited;
  await environment.startWorker({ ELASTICSEARCH_URL: 'http://127.0.0.1:1' });
  const failed = await api.ask('Does this fail?');
  await save('chat-turn-deadline', `turn/${failed.json.details.turnId}`);
});
