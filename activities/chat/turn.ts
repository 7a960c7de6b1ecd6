import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { passagesPerTurn, type RankedChunk, type TurnStatus } from '../../domain/chat.ts';
import { turn as timing } from '../../domain/deadlines.ts';
import { ProviderError } from '../../domain/errors.ts';
import { type ChatTurnInput, turnWorkflowId } from '../../domain/flows.ts';
import { embeddingModelOf, type ModelProvider } from '../../domain/models.ts';
import type { Passage } from '../../providers/generation.ts';
import { similarityBy } from '../../providers/registry.ts';
import type { TurnToAnswer } from '../../stores/postgres/turns.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';
import { answerByChain, failureOfTurn } from './attempt.ts';
import { createRecordingSlots } from './recording-slots.ts';
import { searchQueryOf } from './search-query.ts';
import { needsSummary } from './summary.ts';

/** How a turn ends: with an attempt's draft, stopped, or with the reason why there is no answer. */
export type TurnEnd = { attempt: number } | 'cancelled' | { code: string; message: string };

type ChatDependencies = Pick<
  ActivityDependencies,
  'stores' | 'retriever' | 'spaces' | 'providers' | 'dispatcher' | 'logger' | 'onTurn'
>;

export function createChatActivities({
  stores,
  retriever,
  spaces,
  providers,
  dispatcher,
  logger,
  onTurn,
}: ChatDependencies) {
  const recordingSlots = createRecordingSlots();

  return {
    /** Says whether the turn is still to be answered: a workflow may be started again after it was recorded. */
    async openTurn({ projectId, turnId }: ChatTurnInput): Promise<{ status: TurnStatus }> {
      const status = await stores.turns.status(projectId, turnId);
      if (!status) throw ApplicationFailure.nonRetryable('The turn no longer exists.', 'TURN_NOT_FOUND');
      return { status };
    },

    async retrievePassages(input: ChatTurnInput): Promise<RankedChunk[]> {
      const { projectId, turnId } = input;
      const signal = Context.current().cancellationSignal;
      const turn = await stores.turns.forGeneration(projectId, turnId);
      const generation = (name: ModelProvider) => providers.generation(name, turn.access, undefined);
      const text = await searchQueryOf({ stores, logger, generation }, input, turn, signal);
      const ranked = await spaces
        .of(turn.access)
        .then((space) =>
          retriever.ranking(projectId, {
            text,
            rewritten: text !== turn.question,
            limit: passagesPerTurn,
            signal,
            space,
            // Beside the turn: no visitor waits for what operators may read later.
            explained: (explanation) => {
              stores.explanations.put(projectId, turnId, explanation).catch((error: unknown) => {
                logger.warn({ err: error, projectId, turnId }, 'how a turn was searched for was not kept');
              });
            },
          }),
        )
        .catch((error: unknown) => {
          throw error instanceof ProviderError ? failureOfTurn([error]) : error;
        });
      return ranked.map(({ id, fused }) => ({ chunkId: id, score: Number(fused.toFixed(4)) }));
    },

    /** Generates an answer as a new attempt and keeps it as the attempt's draft. Tokens go out as frames meanwhile. */
    async generateAnswer(input: ChatTurnInput, ranked: readonly RankedChunk[]): Promise<{ attempt: number }> {
      const { projectId, turnId } = input;
      return await withHeartbeat(timing.heartbeatEvery, async (signal, report) => {
        // An earlier try may have died between its draft and its end: the visitor has read that answer already.
        const drafted = Context.current().info.attempt > 1 && (await stores.turns.drafted(projectId, turnId));
        if (drafted) return { attempt: drafted };
        const [turn, published] = await Promise.all([
          stores.turns.forGeneration(projectId, turnId),
          stores.chunks.published(
            projectId,
            ranked.map((chunk) => chunk.chunkId),
          ),
        ]);
        const generation = (name: ModelProvider) =>
          providers.generation(name, turn.access, similarityFor(turn));
        const passages = inOrder(ranked, published);
        const answer = await answerByChain(
          { stores, logger, dispatcher, generation },
          { input, turn, passages, ranked, signal, report },
        );
        await recordingSlots.acquire(turnId);
        return answer;
      });
    },

    /**
     * Records the turn's one outcome; a turn that has one keeps it. Returns what is recorded. Then the conversation's
     * next turn is started, and whoever watches this one is told. `summarise`: the conversation has become so long that
     * its earlier turns are to be summarised.
     */
    async recordTurn(input: ChatTurnInput, end: TurnEnd): Promise<{ status: TurnStatus; summarise?: true }> {
      const { projectId, conversationId, turnId } = input;
      const { status, next, recorded } =
        end === 'cancelled'
          ? await stores.turns.recordCancelled(projectId, turnId)
          : 'attempt' in end
            ? await stores.turns.recordDraft(projectId, turnId, end.attempt)
            : await stores.turns.recordFailure(projectId, turnId, end);
      recordingSlots.release(turnId);
      stores.frames.notify(turnId).catch((error: unknown) => {
        logger.warn({ err: error, projectId, turnId }, 'readers were not notified');
      });
      if (next) dispatcher.startSoon(next);
      if (recorded) {
        const workflowId = turnWorkflowId(turnId);
        logger.info({ projectId, conversationId, turnId, workflowId, ...recorded }, 'turn recorded');
        onTurn(recorded);
      }
      const spoken = recorded && (status === 'answered' || status === 'declined');
      const summarise = spoken && (await needsSummary({ stores }, input).catch(() => false));
      return { status, ...(summarise ? { summarise } : {}) };
    },
  };

  /** By the project's own embeddings, once an answer asks for it. */
  function similarityFor({ access }: TurnToAnswer): ReturnType<typeof similarityBy> {
    return async (...args) => {
      const { embeddings } = await spaces.of(access);
      return await similarityBy(embeddingModelOf(access.settings).provider, embeddings)(...args);
    };
  }
}

function inOrder(ranked: readonly RankedChunk[], passages: readonly Passage[]): Passage[] {
  const byId = new Map(passages.map((passage) => [passage.chunkId, passage]));
  return ranked.flatMap(({ chunkId }) => byId.get(chunkId) ?? []);
}
