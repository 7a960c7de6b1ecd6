import {
  ActivityCancellationType,
  CancellationScope,
  condition,
  defineSignal,
  proxyActivities,
  rootCause,
  setCurrentDetails,
  setHandler,
  sleep,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { ingestion, rebuild, record } from '../domain/deadlines.ts';
import type { RebuildIndexInput } from '../domain/flows.ts';
import type { RebuildEnd } from '../domain/rebuilds.ts';
import { wasStopped } from './failures.ts';
import { untilDone } from './waiting.ts';

const step = {
  startToCloseTimeout: ingestion.step,
  heartbeatTimeout: ingestion.heartbeat,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: ingestion.retry,
};
const giveUp = { scheduleToCloseTimeout: ingestion.giveUpAfter };
const { fillSpace } = proxyActivities<Activities>({ ...step, ...giveUp, summary: 'embed and index' });
const { compareSpaces } = proxyActivities<Activities>({
  ...step,
  ...giveUp,
  summary: 'ask the test questions in both',
});
// Without a limit: nothing reads them any more, and they go once Elasticsearch is there.
const { removeSpace } = proxyActivities<Activities>({ ...step, summary: 'remove the vectors of no use' });
const recording = { startToCloseTimeout: record.attempt, retry: record.retry };
const { switchSpace } = proxyActivities<Activities>({ ...recording, summary: "switch the project's model" });
const { endRebuild } = proxyActivities<Activities>({ ...recording, summary: 'record how it ended' });

export const rollBack = defineSignal('rollBack');

type End = { status: RebuildEnd; message: string };
const percent = (share: number) => `${Math.round(share * 1000) / 10} %`;

/** Moves a project to another embedding model: fills a second space, compares, switches, and can go back for a day. */
export async function rebuildIndex(input: RebuildIndexInput): Promise<{ status: string; message: string }> {
  let goBack = false;
  setHandler(rollBack, () => {
    goBack = true;
  });
  let switched = false;

  /** Makes the space hold all documents and the project's own, unless the comparison says no. */
  async function moveTo(which: 'new' | 'old', compare: boolean): Promise<End | undefined> {
    for (;;) {
      await untilDone((now) => {
        setCurrentDetails(`Filling the space of the ${which} model`);
        return fillSpace(input, which, now);
      });
      if (compare) {
        setCurrentDetails('Asking the test questions with both models');
        const found = await compareSpaces(input);
        if (found && !found.holds) {
          const message =
            `The new model found ${percent(found.after)} of the expected documents, the one from before ` +
            `${percent(found.before)}: the project keeps that one.`;
          return { status: 'kept', message };
        }
      }
      // A document that came meanwhile is filled in first.
      const outcome = await CancellationScope.nonCancellable(() => switchSpace(input, which));
      if (outcome === 'switched') return undefined;
    }
  }

  async function run(): Promise<End> {
    const refused = await moveTo('new', true);
    if (refused) return refused;
    switched = true;
    setCurrentDetails('Switched; the vectors from before are kept for a rollback');
    const asked = await condition(() => goBack, rebuild.rollback);
    if (!asked) return { status: 'done', message: 'The project uses the new model.' };
    await moveTo('old', false);
    switched = false;
    return { status: 'rolled_back', message: 'The project uses the model from before again.' };
  }

  let end: End;
  try {
    end = await run();
  } catch (error) {
    const kept = switched ? 'The project uses the new model.' : 'The project keeps the model that it had.';
    const cancelled = wasStopped(error);
    const reason = cancelled ? 'Stopped.' : `Failed: ${rootCause(error) ?? 'unknown reason'}`;
    end = {
      status: switched ? 'done' : cancelled ? 'cancelled' : 'failed',
      message: `${reason} ${kept}`,
    };
  }
  await CancellationScope.nonCancellable(async () => {
    await endRebuild(input, end);
    setCurrentDetails(`${end.message} Removing the vectors of no use`);
    await sleep(ingestion.lateWrites, { summary: 'writes that were under way may still land' });
    await removeSpace(input, switched ? 'old' : 'new');
  });
  setCurrentDetails(end.message);
  return end;
}
