import { createHash } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { ingestion as timing, rebuild } from '../../domain/deadlines.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { RebuildIndexInput } from '../../domain/flows.ts';
import type { Waiting } from '../../domain/ingestion.ts';
import { type IndexRebuild, type RebuildEnd, spaceNameOf } from '../../domain/rebuilds.ts';
import type { Space } from '../../retrieval/spaces.ts';
import type { UnindexedDocument } from '../../stores/postgres/rebuilds.ts';
import { askAll } from '../evaluations/evaluate.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';
import { embedVersion, indexVersion } from '../ingestion/indexing.ts';
import { NotBefore, presentOf } from '../ingestion/pacing.ts';

type RebuildDependencies = Pick<ActivityDependencies, 'stores' | 'spaces' | 'retriever'>;

/** How many documents of a search count as found in the comparison. */
const depth = 5;

/** Moving a project to another embedding model. `which` is the space that is to become the project's own. */
export function createRebuildActivities({ stores, spaces, retriever }: RebuildDependencies) {
  async function rebuildOf({ projectId, rebuildId }: RebuildIndexInput): Promise<IndexRebuild> {
    const found = await stores.rebuilds.get(projectId, rebuildId);
    if (!found) throw ApplicationFailure.nonRetryable('The rebuild is gone.', 'REBUILD_NOT_FOUND');
    return found;
  }

  const spaceOf = async (input: RebuildIndexInput, which: 'new' | 'old'): Promise<Space> => {
    const { toModel, fromModel } = await rebuildOf(input);
    return await spaces.ofModel(input.projectId, which === 'new' ? toModel : fromModel);
  };

  /** Says on the record until when it waits, and why. */
  async function waiting(input: RebuildIndexInput, error: unknown, now: () => Date): Promise<Waiting> {
    let until: Date;
    if (error instanceof NotBefore) until = error.until;
    else if (error instanceof ProviderError && error.retryable) {
      until = new Date(now().getTime() + Math.max(error.retryAfterMs ?? 0, rebuild.pause));
    } else throw error;
    const { message: reason } = error;
    await stores.rebuilds.waits(input.projectId, input.rebuildId, { until, reason });
    return { until: until.toISOString(), reason };
  }

  /** One document. What became outdated while it was written is removed again. */
  async function fill(
    projectId: string,
    space: Space,
    document: UnindexedDocument,
    { signal, now }: { signal: AbortSignal; now: () => Date },
  ): Promise<void> {
    const key = { ...document, projectId };
    const work = { signal, now, check: async () => {}, done: async () => {} };
    await embedVersion({ stores }, key, space.embeddings, work);
    const ids = await indexVersion({ stores }, key, space, work);
    if (await stores.rebuilds.indexed(projectId, document, spaceNameOf(space.model))) return;
    if (!(await stores.rebuilds.isPublished(projectId, document))) {
      await space.index.remove(projectId, ids, signal);
    }
  }

  return {
    /** Embeds and indexes all published documents that the space lacks. Where it has to wait it says until when. */
    async fillSpace(
      input: RebuildIndexInput,
      which: 'new' | 'old',
      workflowTime?: string,
    ): Promise<Waiting | undefined> {
      const { projectId, rebuildId } = input;
      const now = presentOf(workflowTime);
      return await withHeartbeat(timing.heartbeatEvery, async (signal, report) => {
        try {
          const space = await spaceOf(input, which);
          const name = spaceNameOf(space.model);
          await stores.rebuilds.progress(projectId, rebuildId, {
            status: which === 'new' ? 'filling' : 'rolling_back',
          });
          // Says at once what is wrong with the new model, also where there is nothing to embed.
          const limit = AbortSignal.any([signal, AbortSignal.timeout(rebuild.probe)]);
          await space.embeddings.embed(['probe'], { purpose: 'query', signal: limit });
          await space.index.ensure();
          for (let done = 0; ; done += 1) {
            await stores.rebuilds.countDocuments(projectId, rebuildId, name);
            report({ documents: done });
            const next = await stores.rebuilds.nextUnindexed(projectId, name);
            if (!next) return undefined;
            signal.throwIfAborted();
            await fill(projectId, space, next, { signal, now });
          }
        } catch (error) {
          return await waiting(input, error, now);
        }
      });
    },

    /** Asks the test questions in both spaces. Null where nobody wants to compare. */
    async compareSpaces(
      input: RebuildIndexInput,
    ): Promise<{ before: number; after: number; holds: boolean } | null> {
      const { projectId, rebuildId } = input;
      const { tolerance } = await rebuildOf(input);
      if (tolerance === null) return null;
      return await withHeartbeat(timing.heartbeatEvery, async (signal, report) => {
        await stores.rebuilds.progress(projectId, rebuildId, { status: 'comparing' });
        const recallIn = async (which: 'new' | 'old'): Promise<[evaluationId: string, recall: number]> => {
          const space = await spaceOf(input, which);
          const evaluationId = evaluationIdOf(rebuildId, which);
          const { model: embeddingModel } = space.model;
          await stores.evaluations.beginOf(projectId, { id: evaluationId, depth, embeddingModel });
          await askAll({ stores, retriever }, { projectId, evaluationId }, { signal, report, space });
          await stores.evaluations.end(projectId, evaluationId, null);
          const evaluation = await stores.evaluations.get(projectId, evaluationId);
          return [evaluationId, evaluation?.recall ?? 0];
        };
        const [evaluationBefore, before] = await recallIn('old');
        const [evaluationAfter, after] = await recallIn('new');
        await stores.rebuilds.progress(projectId, rebuildId, {
          evaluationBefore,
          evaluationAfter,
          recallBefore: before,
          recallAfter: after,
        });
        return { before, after, holds: after >= before - tolerance };
      });
    },

    async switchSpace(input: RebuildIndexInput, which: 'new' | 'old'): Promise<'switched' | 'incomplete'> {
      return await stores.rebuilds.switchTo(input.projectId, input.rebuildId, which);
    },

    async endRebuild(
      { projectId, rebuildId }: RebuildIndexInput,
      end: { status: RebuildEnd; message: string },
    ): Promise<void> {
      await stores.rebuilds.end(projectId, rebuildId, end);
    },

    /** Removes the vectors of the space that is not the project's own, from both servers. */
    async removeSpace(input: RebuildIndexInput, which: 'new' | 'old'): Promise<void> {
      const { projectId } = input;
      await withHeartbeat(timing.heartbeatEvery, async (signal, report) => {
        const { model, index } = await spaceOf(input, which);
        const [own, second] = await spaces.written(projectId);
        const used = [own, ...(second ? [second] : [])].map((space) => spaceNameOf(space.model));
        // Another rebuild has begun with it.
        if (used.includes(spaceNameOf(model))) return;
        await index.ensure();
        await index.removeProject(projectId, (chunks) => report({ chunks }), signal);
        await stores.rebuilds.forgetSpace(projectId, model);
      });
    },
  };
}

/** The same in every try: what one has asked the next one does not ask again. */
function evaluationIdOf(rebuildId: string, which: string): string {
  const hex = createHash('sha256').update(`${rebuildId}/${which}`).digest('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
