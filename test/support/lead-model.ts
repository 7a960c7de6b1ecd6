// What the verification of a lead should do, in a few lines: from one state, all that may happen. Times are milliseconds,
// and known no better than as spans, so that a slow machine makes the model vaguer and never wrong.
import type { Outcome, VerificationRules } from '../../domain/leads.ts';

export const calls = [
  'name',
  'badName',
  'emailA',
  'emailB',
  'badEmail',
  'right',
  'old',
  'wrong',
  'resend',
] as const;
export type Call = (typeof calls)[number];
export type Span = readonly [from: number, to: number];

export interface World {
  stage: 'awaiting_name' | 'awaiting_email' | 'awaiting_otp' | 'ready' | 'expired' | 'blocked';
  heard: Span;
  email: Call | undefined;
  /** When the newest code was made, and how many there have been. */
  code: Span | undefined;
  codes: number;
  resends: number;
  wrong: number;
}

/** A timer may ring this much late. */
const late = 3_000;
const codeTries = 5;

export const firstWorld = (started: Span): World => ({
  stage: 'awaiting_name',
  heard: started,
  email: undefined,
  code: undefined,
  codes: 0,
  resends: 0,
  wrong: 0,
});

export const isOver = ({ stage }: { stage: string }) =>
  stage === 'ready' || stage === 'expired' || stage === 'blocked';

/** Whether so much time has passed: what is possible. */
function passed(since: Span, at: Span, limit: number): boolean[] {
  const [least, most] = [at[0] - since[1], at[1] - since[0]];
  if (most < limit) return [false];
  return least > limit + late ? [true] : [false, true];
}

/** The worlds in which nobody has called meanwhile. */
export function waited(world: World, at: Span, rules: VerificationRules): World[] {
  if (isOver(world)) return [world];
  return passed(world.heard, at, rules.sessionLife).map((ended) =>
    ended ? { ...world, stage: 'expired' } : world,
  );
}

/**
 * What a call may be answered, and the world after it. What comes after the end is answered "gone". `known` counts the
 * codes that were there when the call was made: a later one is not the one that it brings.
 */
function answers(
  world: World,
  { call, known }: { call: Call; known: number },
  at: Span,
  rules: VerificationRules,
): [string, World][] {
  return waited(world, at, rules).flatMap((now): [string, World][] => {
    if (isOver(now)) return [['gone', now]];
    const answer = (outcome: Outcome, change: Partial<World> = {}, heard = true): [string, World] => {
      const next = { ...now, ...change, ...(heard ? { heard: at } : {}) };
      return [`${next.stage} ${outcome}`, next];
    };
    const unheard = (outcome: Outcome) => answer(outcome, {}, false);
    const codeSent = (change: Partial<World>) =>
      answer('code_sent', { stage: 'awaiting_otp', code: at, codes: now.codes + 1, wrong: 0, ...change });
    const waitsForCode = now.stage === 'awaiting_otp';
    switch (call) {
      case 'name':
      case 'badName':
        if (now.stage !== 'awaiting_name') return [unheard('not_now')];
        return [call === 'name' ? answer('name_taken', { stage: 'awaiting_email' }) : answer('name_invalid')];
      case 'emailA':
      case 'emailB':
      case 'badEmail':
        if (now.stage === 'awaiting_name') return [unheard('not_now')];
        if (call === 'badEmail') return [answer('email_invalid')];
        if (waitsForCode && now.email === call) return [answer('code_already_sent')];
        return [codeSent({ email: call })];
      case 'resend':
        if (!waitsForCode) return [unheard('code_not_pending')];
        if (now.resends >= rules.resends) return [unheard('resend_too_often')];
        return passed(now.code!, at, rules.resendPause).map((over) =>
          over ? codeSent({ resends: now.resends + 1 }) : unheard('resend_too_soon'),
        );
      default:
        if (!waitsForCode) return [unheard('code_not_pending')];
        return passed(now.code!, at, rules.codeLife).map((over) => {
          if (over) return unheard('code_expired');
          if (call === 'right' && known === now.codes) return answer('verified', { stage: 'ready' });
          const wrong = now.wrong + 1;
          return answer('code_wrong', wrong === codeTries ? { wrong, stage: 'blocked' } : { wrong });
        });
    }
  });
}

/** The worlds in which these calls, which came together in any order, get these answers. */
export function together(
  worlds: readonly World[],
  told: readonly { call: Call; answer: string }[],
  at: Span,
  rules: VerificationRules,
): World[] {
  const inOrder = (world: World, left: typeof told, known: number): World[] =>
    left.length === 0
      ? [world]
      : left.flatMap(({ call, answer }, first) =>
          answers(world, { call, known }, at, rules).flatMap(([expected, next]) =>
            expected === answer ? inOrder(next, left.toSpliced(first, 1), known) : [],
          ),
        );
  return distinct(worlds.flatMap((world) => inOrder(world, told, world.codes)));
}

const distinct = (worlds: readonly World[]): World[] => [
  ...new Map(worlds.map((world) => [JSON.stringify(world), world])).values(),
];
