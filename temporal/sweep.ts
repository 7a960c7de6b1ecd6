import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import { dispatch as dispatchTiming, live, overdue as overdueTiming } from '../domain/deadlines.ts';
import {
  contactWorkflowId,
  ingestWorkflowId,
  leadWorkflowId,
  mailWorkflowId,
  rebuildWorkflowId,
  turnWorkflowId,
} from '../domain/flows.ts';
import { isBeforeSwitch } from '../domain/rebuilds.ts';
import type { Stores } from '../stores/postgres/index.ts';
import type { Dispatcher } from './dispatcher.ts';

/**
 * What every worker does beside its workflows: it starts what an API process wrote down and did not live to start,
 * records what became of workflows that were ended from outside, and removes old frames. Workers that sweep together
 * take different rows. Returns a function that stops the sweeping.
 */
export function startSweeps(deps: {
  stores: Stores;
  dispatcher: Dispatcher;
  logger: Logger;
}): () => Promise<void> {
  const sweeps = [
    repeat(dispatchTiming.sweepEvery, 'dispatches', deps.logger, () => sweepDispatches(deps)),
    repeat(overdueTiming.sweepEvery, 'overdue rows', deps.logger, () => sweepOverdue(deps)),
    repeat(overdueTiming.sweepEvery, 'lead sessions', deps.logger, () => sweepLeadSessions(deps)),
    repeat(overdueTiming.sweepEvery, 'contacts', deps.logger, () => sweepContacts(deps)),
    repeat(live.sweepEvery, 'old frames', deps.logger, () => deps.stores.frames.removeOld()),
    repeat(live.sweepEvery, 'what accounts left', deps.logger, async () => {
      await deps.stores.accountCodes.removeExpired();
      await deps.stores.sessions.removeExpired();
      await deps.stores.signInFailures.removeOld();
    }),
  ];
  return async () => {
    await Promise.all(sweeps.map((stop) => stop()));
  };
}

async function sweepDispatches({
  stores,
  dispatcher,
}: {
  stores: Stores;
  dispatcher: Dispatcher;
}): Promise<void> {
  const due = await stores.dispatches.claimDue(dispatchTiming.batch);
  await Promise.all(due.map((dispatch) => dispatcher.start(dispatch)));
}

const closedByItself = 'The workflow ended without recording an outcome';
const reasons: Record<string, string> = {
  TERMINATED: 'An operator terminated the workflow',
  NOT_FOUND: 'The workflow was deleted in Temporal',
  TIMED_OUT: 'The workflow timed out',
};

async function sweepOverdue({
  stores,
  dispatcher,
}: {
  stores: Stores;
  dispatcher: Dispatcher;
}): Promise<void> {
  const stillDispatched = async (workflowId: string) => stores.dispatches.has(workflowId);
  for (const { projectId, turnId } of await stores.overdue.claimTurns(overdueTiming.batch)) {
    const workflowId = turnWorkflowId(turnId);
    const status = await dispatcher.statusOf(workflowId);
    if (status === 'RUNNING' || (await stillDispatched(workflowId))) continue;
    const message = `${reasons[status] ?? closedByItself}. Ask again.`;
    const { next } = await stores.turns.recordFailure(projectId, turnId, {
      code: `WORKFLOW_${status}`,
      message,
    });
    await stores.frames.notify(turnId);
    if (next) dispatcher.startSoon(next);
  }
  for (const { projectId, documentId, version, run } of await stores.overdue.claimDocumentVersions(
    overdueTiming.batch,
  )) {
    const workflowId = ingestWorkflowId(documentId, version, run);
    const status = await dispatcher.statusOf(workflowId);
    if (status === 'RUNNING' || (await stillDispatched(workflowId))) continue;
    const message = `${reasons[status] ?? closedByItself}. Upload the document again.`;
    await stores.documents.end(projectId, documentId, version, {
      status: 'failed',
      code: `WORKFLOW_${status}`,
      message,
    });
  }
  for (const { projectId, mailId } of await stores.mails.claimOverdue(overdueTiming.batch)) {
    const workflowId = mailWorkflowId(mailId);
    const status = await dispatcher.statusOf(workflowId);
    if (status === 'RUNNING' || (await stillDispatched(workflowId))) continue;
    await stores.mails.end(projectId, mailId, {
      status: 'failed',
      code: `WORKFLOW_${status}`,
      reason: `${reasons[status] ?? closedByItself}.`,
    });
  }
  for (const { projectId, sourceId, run, workflowId } of await stores.sourceRuns.claimSilent(
    overdueTiming.batch,
  )) {
    const status = await dispatcher.statusOf(workflowId);
    if (status === 'RUNNING' || (await stillDispatched(workflowId))) continue;
    const message = `${reasons[status] ?? closedByItself}. Crawl the source again.`;
    const code = `WORKFLOW_${status}`;
    await stores.sourceRuns.end(projectId, sourceId, run, { status: 'failed', code, message });
  }
  await sweepRebuilds({ stores, dispatcher });
}

async function sweepRebuilds({
  stores,
  dispatcher,
}: {
  stores: Stores;
  dispatcher: Dispatcher;
}): Promise<void> {
  for (const { projectId, rebuildId, number, status: stage } of await stores.rebuilds.claimSilent(
    overdueTiming.batch,
  )) {
    const workflowId = rebuildWorkflowId(projectId, number);
    const status = await dispatcher.statusOf(workflowId);
    if (status === 'RUNNING' || (await stores.dispatches.has(workflowId))) continue;
    const switched = !isBeforeSwitch(stage);
    await stores.rebuilds.end(projectId, rebuildId, {
      status: switched ? 'done' : 'failed',
      message: `${reasons[status] ?? closedByItself}. ${
        switched ? 'The vectors from before stay.' : 'The project keeps the model that it had.'
      }`,
    });
  }
}

async function sweepContacts({
  stores,
  dispatcher,
}: {
  stores: Stores;
  dispatcher: Dispatcher;
}): Promise<void> {
  for (const input of await stores.contactSyncs.claimSilent(overdueTiming.batch)) {
    const workflowId = contactWorkflowId(input.leadId, input.run);
    const status = await dispatcher.statusOf(workflowId);
    if (status === 'RUNNING' || (await stores.dispatches.has(workflowId))) continue;
    await stores.contactSyncs.giveUp(input, `${reasons[status] ?? closedByItself}. Send the lead again.`);
  }
}

async function sweepLeadSessions({
  stores,
  dispatcher,
}: {
  stores: Stores;
  dispatcher: Dispatcher;
}): Promise<void> {
  for (const { projectId, sessionId } of await stores.leadSessions.claimOverdue(overdueTiming.batch)) {
    const workflowId = leadWorkflowId(sessionId);
    const status = await dispatcher.statusOf(workflowId);
    if (status === 'RUNNING' || (await stores.dispatches.has(workflowId))) continue;
    const reason = `${reasons[status] ?? closedByItself}.`;
    await stores.leadSessions.end(projectId, sessionId, { stage: 'expired', reason });
  }
}

/** Runs `work` again and again with a pause; what it throws is logged. The returned function waits for the last run. */
function repeat(
  everyMs: number,
  what: string,
  logger: Logger,
  work: () => Promise<void>,
): () => Promise<void> {
  const stopped = new AbortController();
  const loop = async () => {
    while (!stopped.signal.aborted) {
      try {
        await work();
      } catch (error) {
        logger.warn({ err: error }, `sweeping ${what} failed, trying again`);
      }
      await setTimeout(everyMs, undefined, { signal: stopped.signal }).catch(() => {});
    }
  };
  const running = loop();
  return async () => {
    stopped.abort();
    await running;
  };
}
