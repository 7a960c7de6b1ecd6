import { AppError } from '../../domain/errors.ts';
import type { ProjectSettings } from '../../domain/projects.ts';
import type { Query } from './client.ts';

export type TokenLimits = Pick<ProjectSettings, 'tokenLimit' | 'monthlyTokenBudget'>;

export interface TokenState {
  /** Used since the project began, and in this calendar month (UTC). */
  total: number;
  month: number;
  /** Held by turns under way. */
  reserved: number;
}

/**
 * Reserves tokens for a turn, in the transaction that accepts it, or for the summary that it has made due: used and reserved tokens together never pass a limit,
 * over any number of processes. Throws TOKEN_LIMIT_EXCEEDED.
 */
export async function reserveTokens(
  tx: Query,
  projectId: string,
  turn: { turnId: string; tokens: number; limits: TokenLimits },
): Promise<void> {
  const [, state] = await Promise.all([lockBudget(tx, projectId), tokenState(tx, projectId)]);
  checkBudget(turn.limits, state, turn.tokens);
  await tx`
    insert into token_reservations (turn_id, project_id, tokens)
    values (${turn.turnId}, ${projectId}, ${turn.tokens})
    on conflict (turn_id) do update set attempts = token_reservations.attempts + 1`;
}

/**
 * Reserves once more for a turn that is tried again, because what a lost attempt has used is not known. Throws
 * TOKEN_LIMIT_EXCEEDED. Without a reservation of the first attempt the project has no limit, or had none.
 */
export async function reserveRetry(tx: Query, projectId: string, turnId: string): Promise<void> {
  const [, state, [reservation]] = await Promise.all([
    lockBudget(tx, projectId),
    tokenState(tx, projectId),
    tx<{ tokens: number; missing: number; tokenLimit: number | null; monthlyTokenBudget: number | null }[]>`
      select r.tokens, (p.settings->>'tokenLimit')::bigint::float8 as token_limit,
        (p.settings->>'monthlyTokenBudget')::bigint::float8 as monthly_token_budget,
        (select count(*) from turn_attempts a where a.turn_id = r.turn_id and a.prompt_tokens is null)::int
          - r.attempts as missing
      from token_reservations r join projects p on p.id = r.project_id
      where r.project_id = ${projectId} and r.turn_id = ${turnId}`,
  ]);
  if (!reservation || reservation.missing <= 0) return;
  checkBudget(reservation, state, reservation.tokens * reservation.missing);
  await tx`
    update token_reservations set attempts = attempts + ${reservation.missing}
    where project_id = ${projectId} and turn_id = ${turnId}`;
}

/**
 * Counts what a turn's attempts and making its question whole have used, and gives its reservation back. To be run with the statement that ends the
 * turn, as the common table `ended`: it does nothing when that found nothing to end.
 */
export const settleTokens = (tx: Query, projectId: string, turnId: string) => tx`
  released as (
    delete from token_reservations
    where project_id = ${projectId} and turn_id = ${turnId} and exists (select from ended)
    returning tokens, attempts),
  spent as (
    select coalesce(sum(a.prompt_tokens), 0) + t.rewrite_prompt_tokens as prompt,
      coalesce(sum(a.completion_tokens), 0) + t.rewrite_completion_tokens as completion,
      count(a.attempt) filter (where a.prompt_tokens is null) as lost
    from turns t left join turn_attempts a on a.turn_id = t.id
    where t.project_id = ${projectId} and t.id = ${turnId} group by t.id)
  insert into token_usage as u (project_id, month, prompt_tokens, completion_tokens, lost_tokens)
  select ${projectId}, date_trunc('month', now() at time zone 'UTC')::date, prompt, completion,
    coalesce((select tokens * least(attempts, lost) from released), 0)
  from spent where exists (select from ended)
  on conflict (project_id, month) do update set prompt_tokens = u.prompt_tokens + excluded.prompt_tokens,
    completion_tokens = u.completion_tokens + excluded.completion_tokens,
    lost_tokens = u.lost_tokens + excluded.lost_tokens`;

/** Counts what was used beside answers. */
export async function addTokens(
  tx: Query,
  projectId: string,
  { prompt, completion, lost }: { prompt: number; completion: number; lost: number },
): Promise<void> {
  if (prompt + completion + lost === 0) return;
  await tx`
    insert into token_usage as u (project_id, month, prompt_tokens, completion_tokens, lost_tokens)
    select id, date_trunc('month', now() at time zone 'UTC')::date, ${prompt}, ${completion}, ${lost}
    from projects where id = ${projectId}
    on conflict (project_id, month) do update set prompt_tokens = u.prompt_tokens + excluded.prompt_tokens,
      completion_tokens = u.completion_tokens + excluded.completion_tokens,
      lost_tokens = u.lost_tokens + excluded.lost_tokens`;
}

/** What a project has used and reserved, in one snapshot. */
export async function tokenState(query: Query, projectId: string): Promise<TokenState> {
  const [row] = await query<TokenState[]>`
    select coalesce(sum(tokens), 0)::float8 as total,
      coalesce(sum(tokens) filter (where month = date_trunc('month', now() at time zone 'UTC')), 0)::float8 as month,
      coalesce((select sum(tokens * attempts) from token_reservations where project_id = ${projectId}), 0)::float8
        as reserved
    from (select month, prompt_tokens + completion_tokens + lost_tokens as tokens
      from token_usage where project_id = ${projectId}) as months`;
  return row!;
}

/**
 * One reservation of a project after the other. It does not wait for what only refers to the project. Sent at once: the
 * statements after it must not overtake it.
 */
const lockBudget = (tx: Query, projectId: string) =>
  tx`select 1 from projects where id = ${projectId} for no key update`.execute();

function checkBudget(limits: TokenLimits, { total, month, reserved }: TokenState, wanted: number): void {
  const check = (period: 'lifetime' | 'month', limit: number | null, used: number) => {
    if (limit === null || used + reserved + wanted <= limit) return;
    const span = period === 'lifetime' ? 'in all' : 'a month';
    throw new AppError('TOKEN_LIMIT_EXCEEDED', {
      message:
        `This project may use ${limit} tokens ${span}: ${used} are used, ${reserved} are reserved by answers under way, ` +
        `and this one may need ${wanted}.`,
      details: { period, limit, used, reserved, wanted },
    });
  };
  check('lifetime', limits.tokenLimit, total);
  check('month', limits.monthlyTokenBudget, month);
}
