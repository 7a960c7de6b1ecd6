import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineUpdate,
  isCancellation,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';
import type { Activities } from '../activities/index.ts';
import { record } from '../domain/deadlines.ts';
import type { LeadVerificationInput } from '../domain/flows.ts';
import type { SessionStage, StepResult } from '../domain/leads.ts';

const persistently = { startToCloseTimeout: record.attempt, retry: record.retry };
const local = (summary: string) => proxyLocalActivities<Activities>({ ...persistently, summary });
const { takeName } = local('take the name');
const { takeEmail } = local('take the address and mail a code');
const { issueCode } = local('mail another code');
const { checkCode } = local('compare the code');
const { askKeptQuestions } = local('ask what the visitor wanted to know');
const { endSession } = local('record that it ended');

/** Each takes the id of what was stored before: what visitors enter stays out of the history. */
export const provideName = defineUpdate<StepResult, [inputId: string]>('provideName');
export const provideEmail = defineUpdate<StepResult, [inputId: string]>('provideEmail');
export const resendCode = defineUpdate<StepResult, [inputId: string]>('resendCode');
export const submitCode = defineUpdate<StepResult, [inputId: string]>('submitCode');

const leadIdAttribute = defineSearchAttributeKey('leadId', 'KEYWORD');
const seconds = (ms: number) => Math.max(1, Math.ceil(ms / 1000));

/** Asks one visitor for name and address and verifies the address. Ends ready, expired or blocked. */
export async function leadVerification(input: LeadVerificationInput): Promise<{ stage: SessionStage }> {
  const { rules } = input;
  let stage: SessionStage = 'awaiting_name';
  let codeIsAlive = false;
  let resends = 0;
  let resendAt = 0;
  const life = new Alarm();
  const codeLife = new Alarm();
  const pause = new Alarm();
  const inTurn = new Turnstile();

  const minutes = Math.round(rules.sessionLife / 60_000);
  const listen = () =>
    life.set(rules.sessionLife, 'until the visitor is taken to have left', () => {
      void inTurn.run(async () => {
        // A call that came at the last moment has set it again.
        if (!life.isSet) await end('expired', `Nobody said anything for ${minutes} min`);
      });
    });

  async function end(as: 'expired' | 'blocked', reason: string): Promise<void> {
    if (isOver(stage)) return;
    const recorded = await endSession(input, { stage: as, reason });
    // It was verified after all, by a step that was lost before this workflow knew of it.
    if (recorded.stage === 'ready') await askKeptQuestions(input);
    stage = recorded.stage;
    setCurrentDetails(stage === 'ready' ? 'Now ready' : `${stage}: ${reason}`);
  }

  /** Goes on from what a step has recorded. */
  function goOn(result: StepResult): StepResult {
    if (stage !== result.stage) setCurrentDetails(`Now ${result.stage.replace('_', ' ')}`);
    stage = result.stage;
    if (result.outcome === 'code_sent') {
      codeIsAlive = true;
      codeLife.set(rules.codeLife, 'until the code expires', () => {
        codeIsAlive = false;
      });
      resendAt = Date.now() + rules.resendPause;
      pause.set(rules.resendPause, 'until another code may be asked for', () => {
        resendAt = 0;
      });
    }
    if (isOver(stage)) for (const alarm of [life, codeLife, pause]) alarm.clear();
    else listen();
    return result;
  }

  /** One after the other, each on the stage that the one before has left. */
  const step = (
    expected: readonly SessionStage[],
    otherwise: StepResult['outcome'],
    take: () => Promise<StepResult>,
  ) =>
    inTurn.run(async (): Promise<StepResult> => {
      if (stage === 'expired' || stage === 'blocked') return { stage, outcome: stage };
      return expected.includes(stage) ? await take() : { stage, outcome: otherwise };
    });

  setHandler(provideName, (inputId) =>
    step(['awaiting_name'], 'not_now', async () => goOn(await takeName(input, inputId))),
  );
  setHandler(provideEmail, (inputId) =>
    step(['awaiting_email', 'awaiting_otp'], 'not_now', async () => goOn(await takeEmail(input, inputId))),
  );
  setHandler(resendCode, (inputId) =>
    step(['awaiting_otp'], 'code_not_pending', async () => {
      if (resends >= rules.resends) return { stage, outcome: 'resend_too_often' };
      if (resendAt > Date.now()) {
        return { stage, outcome: 'resend_too_soon', retryAfterSeconds: seconds(resendAt - Date.now()) };
      }
      const result = await issueCode(input, inputId);
      if (result.outcome === 'code_sent') resends += 1;
      return goOn(result);
    }),
  );
  setHandler(submitCode, (inputId) =>
    step(['awaiting_otp'], 'code_not_pending', async () => {
      if (!codeIsAlive) return { stage, outcome: 'code_expired' };
      const { leadId, ...result } = await checkCode(input, inputId);
      if (leadId !== undefined) {
        upsertSearchAttributes([{ key: leadIdAttribute, value: leadId }]);
        await askKeptQuestions(input);
      }
      return goOn(result);
    }),
  );

  setCurrentDetails('Now awaiting name');
  listen();
  try {
    await condition(() => isOver(stage));
    await condition(allHandlersFinished);
    return { stage };
  } catch (error) {
    if (isCancellation(error)) {
      await CancellationScope.nonCancellable(() => end('expired', 'An operator cancelled it'));
    }
    throw error;
  }
}

const isOver = (stage: SessionStage) => stage === 'ready' || stage === 'expired' || stage === 'blocked';

/** A timer that can be set again, which ends the one before. */
class Alarm {
  #scope: CancellationScope | undefined;

  get isSet(): boolean {
    return this.#scope !== undefined;
  }

  set(ms: number, summary: string, ring: () => void): void {
    this.clear();
    const scope = new CancellationScope();
    this.#scope = scope;
    scope
      .run(() => sleep(ms, { summary }))
      .then(
        () => {
          this.#scope = undefined;
          ring();
        },
        () => {
          // cleared
        },
      );
  }

  clear(): void {
    this.#scope?.cancel();
    this.#scope = undefined;
  }
}

/** Lets one through at a time, in the order in which they came. */
class Turnstile {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => {});
    return mine;
  }
}
