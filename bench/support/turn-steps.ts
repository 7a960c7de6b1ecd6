import type { TestEnvironment } from '../../test/support/environment.ts';
import { percentile, round } from './statistics.ts';

/** Milliseconds between the marks that a turn leaves in the database and in its history: medians over some turns. */
export async function stepsOf(
  environment: TestEnvironment,
  turnIds: readonly string[],
): Promise<Record<string, number>> {
  const durations = new Map<string, number[]>();
  for (const turnId of turnIds) {
    let last: number | undefined;
    for (const [name, at] of await marksOf(environment, turnId)) {
      if (last !== undefined) durations.set(name, [...(durations.get(name) ?? []), at - last]);
      last = at;
    }
  }
  return Object.fromEntries([...durations].map(([name, list]) => [name, round(percentile(list, 0.5), 1)]));
}

async function marksOf(environment: TestEnvironment, turnId: string): Promise<[string, number][]> {
  const ms = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;
  const [row] = await environment.sql.unsafe(`
    select ${ms('t.created_at')} as accepted, ${ms('a.created_at')} as attempt, ${ms('f.created_at')} as frame,
      ${ms('t.finished_at')} as recorded
    from turns t join turn_attempts a on a.turn_id = t.id and a.attempt = t.attempt
    left join frames f on f.turn_id = t.id and f.attempt = a.attempt and f.seq = 0
    where t.id = '${turnId}'`);
  const { events } = await environment.temporal.workflow.getHandle(`turn/${turnId}`).fetchHistory();
  const time = (attributes: string) => {
    const event = events!.find(
      (candidate) => attributes in candidate && candidate[attributes as never] !== null,
    );
    const { seconds, nanos } = event!.eventTime!;
    return Number(seconds) * 1000 + (nanos ?? 0) / 1e6;
  };
  const marks: [string, number | null][] = [
    ['accepted in PostgreSQL', row!.accepted],
    ['workflow started', time('workflowExecutionStartedEventAttributes')],
    ['worker has its first task', time('workflowTaskStartedEventAttributes')],
    ['opened and retrieved', time('workflowTaskCompletedEventAttributes')],
    ['generation begun as an attempt', row!.attempt],
    ['first frame in PostgreSQL', row!.frame],
    ['generation completed', time('activityTaskCompletedEventAttributes')],
    ['recorded', row!.recorded],
  ];
  return marks.filter((mark): mark is [string, number] => typeof mark[1] === 'number');
}
