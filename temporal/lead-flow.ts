import { setTimeout } from 'node:timers/promises';
import { type Client, WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { lead as timing } from '../domain/deadlines.ts';
import { leadWorkflowId } from '../domain/flows.ts';
import type { StepResult } from '../domain/leads.ts';
import type { InputKind } from '../stores/postgres/lead-sessions.ts';
import type { Stores } from '../stores/postgres/index.ts';

export type LeadFlow = ReturnType<typeof createLeadFlow>;

const updateOf: Record<InputKind, string> = {
  name: 'provideName',
  email: 'provideEmail',
  resend: 'resendCode',
  code: 'submitCode',
};

/** Tells a session's workflow what the visitor entered. */
export function createLeadFlow({ client, dispatches }: { client: Client; dispatches: Stores['dispatches'] }) {
  /** Calls of one session that come together to this process go one after the other: Temporal takes ten at a time. */
  const queues = new Map<string, Promise<unknown>>();

  /**
   * The workflow's answer; `gone` where it has ended or was ended, `silent` where no worker answers in time. Under the
   * same input the same answer, however often it is asked.
   */
  async function tell(
    sessionId: string,
    input: { id: string; kind: InputKind },
  ): Promise<StepResult | 'gone' | 'silent'> {
    const workflowId = leadWorkflowId(sessionId);
    const handle = client.workflow.getHandle(workflowId);
    const deadline = Date.now() + timing.answer;
    let started = false;
    while (Date.now() < deadline) {
      try {
        return await client.connection.withDeadline(deadline, () =>
          handle.executeUpdate<StepResult, [string]>(updateOf[input.kind], {
            updateId: `${input.kind}/${input.id}`,
            args: [input.id],
          }),
        );
      } catch (error) {
        if (error instanceof WorkflowUpdateFailedError) return 'gone';
        if (!(error instanceof WorkflowNotFoundError)) return 'silent';
        if (started) return 'gone';
        // Its start is under way; or it was a moment ago, and then it has to be looked for once more.
        started = !(await dispatches.has(workflowId));
        if (!started) await setTimeout(timing.startPoll);
      }
    }
    return 'silent';
  }

  return {
    /** Runs what a call does to its session after what earlier calls of the same session do. */
    async inTurn<T>(sessionId: string, work: () => Promise<T>): Promise<T> {
      const mine = (queues.get(sessionId) ?? Promise.resolve()).then(work, work);
      const settled = mine.then(
        () => {},
        () => {},
      );
      queues.set(sessionId, settled);
      void settled.then(() => {
        if (queues.get(sessionId) === settled) queues.delete(sessionId);
      });
      return await mine;
    },

    tell,
  };
}
