import {
  type Client,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { codeIn, type StepResult, type VerificationRules } from '../../domain/leads.ts';
import { projectSettings } from '../../domain/projects.ts';
import type { InputKind } from '../../stores/postgres/lead-sessions.ts';
import type { TestEnvironment } from './environment.ts';

const updates = {
  name: 'provideName',
  email: 'provideEmail',
  resend: 'resendCode',
  code: 'submitCode',
} as const;

export type LeadDriver = Awaited<ReturnType<typeof startLead>>;

/** One session, driven past the API: rows as it writes them, updates as it sends them, to a worker of the test's own. */
export async function startLead(
  environment: TestEnvironment,
  client: Client,
  projectId: string,
  rules: VerificationRules,
) {
  const { leadSessions, leadSteps, mails } = environment.stores;
  const settings = projectSettings.parse({});
  const { sessionId, dispatch } = await leadSessions.create(projectId, {
    language: 'en',
    ip: '192.0.2.1',
    settings,
  });
  await environment.stores.dispatches.done(dispatch!.workflowId);
  const handle = await client.workflow.start('leadVerification', {
    taskQueue: 'test',
    workflowId: dispatch!.workflowId,
    args: [{ projectId, sessionId, rules }],
  });
  const tell = async (input: { id: string; kind: InputKind }): Promise<StepResult | 'gone'> => {
    try {
      return await client.connection.withDeadline(Date.now() + 10_000, () =>
        handle.executeUpdate<StepResult, [string]>(updates[input.kind], {
          updateId: `${input.kind}/${input.id}`,
          args: [input.id],
        }),
      );
    } catch (error) {
      if (error instanceof WorkflowNotFoundError || error instanceof WorkflowUpdateFailedError) return 'gone';
      // The time-skipping server forgets an update that comes while the workflow ends.
      if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return 'gone';
      throw error;
    }
  };
  return {
    sessionId,
    handle,
    tell,
    async enter(kind: InputKind, text: string): Promise<{ id: string; kind: InputKind }> {
      const code = kind === 'code' ? leadSteps.hashOf(sessionId, codeIn(text) ?? text) : text;
      return (await leadSessions.hold(projectId, sessionId, { kind, value: code }))!;
    },
    /** The code of the newest mail. */
    async code(): Promise<string> {
      const [row] = await environment.sql<{ codeId: string }[]>`
        select code_id from lead_sessions where id = ${sessionId}`;
      const mail = await mails.beginAttempt(projectId, row!.codeId);
      return (mail!.params as { code: string }).code;
    },
    async stage(): Promise<string> {
      const [row] = await environment.sql<{ stage: string }[]>`
        select stage from lead_sessions where id = ${sessionId}`;
      return row!.stage;
    },
    async codes(): Promise<number> {
      const [row] = await environment.sql<{ n: number }[]>`
        select count(*)::int as n from lead_codes where session_id = ${sessionId}`;
      return row!.n;
    },
  };
}
