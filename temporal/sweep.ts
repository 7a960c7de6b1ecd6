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
  webhookWorkflowId,
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
    ...Object.entries(sweepsOfEnds).map(([what, sweep]) =>
      repeat(overdueTiming.sweepEvery, what, deps.logger, () => sweep(deps)),
    ),
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

async function sweepDispatches({ stores, dispatcher }: Deps): Promise<void> {
  const due = await stores.dispatches.claimDue(dispatchTiming.batch);
  await Promise.all(due.map((dispatch) => dispatcher.start(dispatch)));
}

const closedByItself = 'The workflow ended without recording an outcome';
const reasons: Record<string, string> = {
  TERMINATED: 'An operator terminated the workflow',
  NOT_FOUND: 'The workflow was deleted in Temporal',
  TIMED_OUT: 'The workflow timed out',
};

interface Deps {
  stores: Stores;
  dispatcher: Dispatcher;
}

/** What became of a workflow that ended without recording it. */
interface End {
  /** Temporal's word for it. */
  status: string;
  /** A sentence without its full stop. */
  reason: string;
}

/** Of rows that say nothing new, those whose workflow neither runs nor waits to be started are given their end. */
async function recordEnds<T>(
  { stores, dispatcher }: Deps,
  flow: {
    silent: Promise<readonly T[]>;
    workflowId: (row: T) => string;
    record: (row: T, end: End) => Promise<unknown>;
  },
): Promise<void> {
  for (const row of await flow.silent) {
    const workflowId = flow.workflowId(row);
    // In this order: a dispatch goes when its workflow has been started.
    if (await stores.dispatches.has(workflowId)) continue;
    const status = await dispatcher.statusOf(workflowId);
    if (status === 'RUNNING') continue;
    await flow.record(row, { status, reason: reasons[status] ?? closedByItself });
  }
}

const { batch } = overdueTiming;

async function sweepTurns(deps: Deps): Promise<void> {
  const { stores, dispatcher } = deps;
  await recordEnds(deps, {
    silent: stores.overdue.claimTurns(batch),
    workflowId: ({ turnId }) => turnWorkflowId(turnId),
    async record({ projectId, turnId }, { status, reason }) {
      const { next } = await stores.turns.recordFailure(projectId, turnId, {
        code: `WORKFLOW_${status}`,
        message: `${reason}. Ask again.`,
      });
      await stores.frames.notify(turnId);
      if (next) dispatcher.startSoon(next);
    },
  });
}

async function sweepDocuments(deps: Deps): Promise<void> {
  const { overdue, documents } = deps.stores;
  await recordEnds(deps, {
    silent: overdue.claimDocumentVersions(batch),
    workflowId: ({ documentId, version, run }) => ingestWorkflowId(documentId, version, run),
    record: ({ projectId, documentId, version }, { status, reason }) =>
      documents.end(projectId, documentId, version, {
        status: 'failed',
        code: `WORKFLOW_${status}`,
        message: `${reason}. Upload the document again.`,
      }),
  });
}

async function sweepMails(deps: Deps): Promise<void> {
  const { mails } = deps.stores;
  await recordEnds(deps, {
    silent: mails.claimOverdue(batch),
    workflowId: ({ mailId }) => mailWorkflowId(mailId),
    record: ({ projectId, mailId }, { status, reason }) =>
      mails.end(projectId, mailId, { status: 'failed', code: `WORKFLOW_${status}`, reason: `${reason}.` }),
  });
}

async function sweepCrawls(deps: Deps): Promise<void> {
  const { sourceRuns } = deps.stores;
  await recordEnds(deps, {
    silent: sourceRuns.claimSilent(batch),
    workflowId: ({ workflowId }) => workflowId,
    record: ({ projectId, sourceId, run }, { status, reason }) =>
      sourceRuns.end(projectId, sourceId, run, {
        status: 'failed',
        code: `WORKFLOW_${status}`,
        message: `${reason}. Crawl the source again.`,
      }),
  });
}

async function sweepRebuilds(deps: Deps): Promise<void> {
  const { rebuilds } = deps.stores;
  await recordEnds(deps, {
    silent: rebuilds.claimSilent(batch),
    workflowId: ({ projectId, number }) => rebuildWorkflowId(projectId, number),
    record({ projectId, rebuildId, status: stage }, { reason }) {
      const switched = !isBeforeSwitch(stage);
      const rest = switched ? 'The vectors from before stay.' : 'The project keeps the model that it had.';
      return rebuilds.end(projectId, rebuildId, {
        status: switched ? 'done' : 'failed',
        message: `${reason}. ${rest}`,
      });
    },
  });
}

async function sweepContacts(deps: Deps): Promise<void> {
  const { contactSyncs } = deps.stores;
  await recordEnds(deps, {
    silent: contactSyncs.claimSilent(batch),
    workflowId: ({ leadId, run }) => contactWorkflowId(leadId, run),
    record: (input, { reason }) => contactSyncs.giveUp(input, `${reason}. Send the lead again.`),
  });
}

async function sweepWebhooks(deps: Deps): Promise<void> {
  const { webhooks } = deps.stores;
  await recordEnds(deps, {
    silent: webhooks.claimSilent(batch),
    workflowId: ({ deliveryId }) => webhookWorkflowId(deliveryId),
    record: ({ projectId, deliveryId }, { reason }) =>
      webhooks.giveUp(projectId, deliveryId, `${reason}. Replay the delivery.`),
  });
}

async function sweepLeadSessions(deps: Deps): Promise<void> {
  const { leadSessions } = deps.stores;
  await recordEnds(deps, {
    silent: leadSessions.claimOverdue(batch),
    workflowId: ({ sessionId }) => leadWorkflowId(sessionId),
    record: ({ projectId, sessionId }, { reason }) =>
      leadSessions.end(projectId, sessionId, { stage: 'expired', reason: `${reason}.` }),
  });
}

const sweepsOfEnds = {
  turns: sweepTurns,
  documents: sweepDocuments,
  mails: sweepMails,
  crawls: sweepCrawls,
  rebuilds: sweepRebuilds,
  contacts: sweepContacts,
  webhooks: sweepWebhooks,
  'lead sessions': sweepLeadSessions,
};

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
