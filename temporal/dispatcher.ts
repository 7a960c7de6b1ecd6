import {
  type Client,
  isGrpcServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import type { Logger } from 'pino';
import { dispatch as timing, probe, turn } from '../domain/deadlines.ts';
import { AppError } from '../domain/errors.ts';
import { type Dispatch, taskQueueOf } from '../domain/flows.ts';
import type { IngestionOrder } from '../domain/ingestion.ts';
import type { DispatchStore } from '../stores/postgres/dispatches.ts';
import { searchAttributesOf } from './search-attributes.ts';

/** gRPC's code for what does not exist. */
const grpcNotFound = 5;

export type Dispatcher = ReturnType<typeof createDispatcher>;

/** Makes the workflow starts that were written down: turns, documents, deletions and mails, all in the same way. */
export function createDispatcher(deps: {
  client: Client;
  dispatches: Pick<DispatchStore, 'done' | 'failed'>;
  logger: Logger;
}) {
  const { client, dispatches, logger } = deps;

  /** True once Temporal has the workflow. What fails stays written down, and a sweep tries it again. Never throws. */
  async function start(dispatch: Dispatch): Promise<boolean> {
    try {
      await client.connection.withDeadline(Date.now() + timing.start, () =>
        client.workflow.start(dispatch.workflowType, startOptions(dispatch)),
      );
    } catch (error) {
      // An earlier start got through and whoever made it died before it could say so.
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) {
        const reason = (error as Error).message;
        logger.warn(
          { workflowId: dispatch.workflowId, projectId: dispatch.projectId, reason },
          'workflow not started',
        );
        await dispatches.failed(dispatch.workflowId, reason).catch(() => {});
        return false;
      }
    }
    // Should this be lost, the next sweep finds the workflow started.
    dispatches.done(dispatch.workflowId).catch((error: unknown) => {
      logger.warn({ err: error, workflowId: dispatch.workflowId }, 'dispatch was not marked as done');
    });
    return true;
  }

  return {
    start,

    /** Starts without waiting, where nobody waits for it to be started. */
    startSoon(dispatch: Dispatch): void {
      void start(dispatch);
    },

    /** Starts many one after the other, without waiting. After one that fails the rest is left to the sweeps. */
    startAllSoon(dispatches: readonly Dispatch[]): void {
      void (async () => {
        for (const dispatch of dispatches) if (!(await start(dispatch))) return;
      })();
    },

    /**
     * Tells a running ingestion or rebuild something. One whose start is only written down is started first. False where it has
     * ended already. Throws SERVICE_UNAVAILABLE while Temporal does not answer; then nothing was told.
     */
    async order(dispatch: Dispatch, order: IngestionOrder | 'rollBack'): Promise<boolean> {
      const handle = client.workflow.getHandle(dispatch.workflowId);
      const tell = () =>
        client.connection.withDeadline(Date.now() + timing.start, async () => {
          if (order === 'cancel') await handle.cancel();
          else await handle.signal(order);
        });
      for (const last of [false, true]) {
        try {
          await tell();
          return true;
        } catch (error) {
          const missing = error instanceof WorkflowNotFoundError;
          if (missing && last) return false;
          if (!missing || !(await start(dispatch))) {
            throw new AppError('SERVICE_UNAVAILABLE', { cause: error, details: { retryAfterSeconds: 5 } });
          }
        }
      }
      return false;
    },

    /** Cancels a workflow and returns when it has ended. False where none was running. */
    async stop(workflowId: string): Promise<boolean> {
      const handle = client.workflow.getHandle(workflowId);
      try {
        await handle.cancel();
        await handle.result();
        return true;
      } catch (error) {
        if (error instanceof WorkflowFailedError) return true;
        if (error instanceof WorkflowNotFoundError) return false;
        throw error;
      }
    },

    /** Ends a project's schedules and its running workflows but for one. Returns how many of each. */
    async stopProject(projectId: string, but: string): Promise<{ schedules: number; workflows: number }> {
      const ended = { schedules: 0, workflows: 0 };
      const ofProject = `projectId = "${projectId}"`;
      for await (const { scheduleId } of client.schedule.list({ query: ofProject })) {
        await client.schedule.getHandle(scheduleId).delete();
        ended.schedules += 1;
      }
      for await (const { workflowId } of client.workflow.list({
        query: `${ofProject} and ExecutionStatus = "Running"`,
      })) {
        if (workflowId === but) continue;
        try {
          await client.workflow.getHandle(workflowId).terminate('The project was deleted.');
          ended.workflows += 1;
        } catch (error) {
          if (!(error instanceof WorkflowNotFoundError)) throw error;
        }
      }
      return ended;
    },

    /** Asks a workflow to stop, without waiting until it has. False where none is running. Throws without Temporal. */
    async cancel(workflowId: string): Promise<boolean> {
      try {
        await client.connection.withDeadline(Date.now() + timing.start, () =>
          client.workflow.getHandle(workflowId).cancel(),
        );
        return true;
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return false;
        throw error;
      }
    },

    /** Ends a workflow at once, without running its code. False where none is running. */
    async terminate(workflowId: string, reason: string): Promise<boolean> {
      try {
        await client.workflow.getHandle(workflowId).terminate(reason);
        return true;
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return false;
        throw error;
      }
    },

    /** Has Temporal delete a workflow's history, which takes it a moment. */
    async forget(workflowId: string): Promise<void> {
      try {
        await client.workflowService.deleteWorkflowExecution({
          namespace: client.options.namespace,
          workflowExecution: { workflowId },
        });
      } catch (error) {
        if (!isGrpcServiceError(error) || error.code !== grpcNotFound) throw error;
      }
    },

    /** How Temporal sees a workflow: running, how it was closed, or that it has never heard of it. */
    async statusOf(workflowId: string): Promise<string> {
      try {
        const { status } = await client.workflow.getHandle(workflowId).describe();
        return status.name;
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return 'NOT_FOUND';
        throw error;
      }
    },

    async ping(): Promise<void> {
      await client.connection.withDeadline(Date.now() + probe, () =>
        client.workflowService.getSystemInfo({}),
      );
    },
  };
}

const summaryOf = (dispatch: Dispatch): string => {
  switch (dispatch.workflowType) {
    case 'chatTurn':
      return 'answer a question';
    case 'ingestDocument':
      return `ingest version ${dispatch.input.version} of a document`;
    case 'deleteDocument':
      return 'remove a deleted document';
    case 'updateChunks':
      return 'index edited chunks of a document';
    case 'evaluateRetrieval':
      return 'ask the test questions';
    case 'sendMail':
      return 'send a mail';
    case 'deleteProject':
      return 'remove a deleted project';
    case 'deliverWebhook':
      return 'tell a webhook of an event';
    case 'eraseVisitor':
      return 'erase a visitor, and issue a receipt';
    case 'syncContact':
      return 'send a lead to the CRM';
    case 'leadVerification':
      return 'ask a visitor for name and address, and verify the address';
    case 'answerQuestion':
      return 'ask an unanswered question again';
    case 'crawlSite':
      return 'crawl a source';
    case 'rebuildIndex':
      return 'move a project to another embedding model';
    case 'syncSource':
      return 'set the schedule of a source, or remove a deleted one';
  }
};

function startOptions(dispatch: Dispatch) {
  return {
    workflowId: dispatch.workflowId,
    taskQueue: taskQueueOf[dispatch.workflowType],
    args: [dispatch.input],
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    workflowTaskTimeout: turn.workflowTask,
    typedSearchAttributes: searchAttributesOf(dispatch),
    priority: { fairnessKey: dispatch.projectId ?? 'accounts' },
    staticSummary: summaryOf(dispatch),
  } as const;
}
