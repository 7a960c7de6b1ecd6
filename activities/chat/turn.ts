import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import {
  type ClosestDocument,
  passagesPerTurn,
  type RankedChunk,
  type Source,
  type TurnStatus,
} from '../../domain/chat.ts';
import { turn as timing } from '../../domain/deadlines.ts';
import { type ChatTurnInput, turnWorkflowId } from '../../domain/flows.ts';
import type { Citation, GenerationEvent, Passage } from '../../providers/generation.ts';
import type { Draft } from '../../stores/postgres/turns.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';
import { createFrameWriter } from './frame-writer.ts';

/** How a turn ends: with an attempt's draft, stopped, or with the reason why there is no answer. */
export type TurnEnd = { attempt: number } | 'cancelled' | { code: string; message: string };

type ChatDependencies = Pick<
  ActivityDependencies,
  'stores' | 'retriever' | 'generation' | 'dispatcher' | 'logger' | 'onTurn'
>;

const closestDocuments = 3;

export function createChatActivities({
  stores,
  retriever,
  generation,
  dispatcher,
  logger,
  onTurn,
}: ChatDependencies) {
  return {
    /** Says whether the turn is still to be answered: a workflow may be started again after it was recorded. */
    async openTurn({ projectId, turnId }: ChatTurnInput): Promise<{ status: TurnStatus }> {
      const turn = await stores.turns.get(projectId, turnId);
      if (!turn) throw ApplicationFailure.nonRetryable('The turn no longer exists.', 'TURN_NOT_FOUND');
      return { status: turn.status };
    },

    async retrievePassages({ projectId, turnId }: ChatTurnInput): Promise<RankedChunk[]> {
      const { question } = await stores.turns.forGeneration(projectId, turnId);
      const passages = await retriever.search(projectId, {
        text: question,
        limit: passagesPerTurn,
        signal: Context.current().cancellationSignal,
        // Beside the turn: no visitor waits for what operators may read later.
        explained: (explanation) => {
          stores.explanations.put(projectId, turnId, explanation).catch((error: unknown) => {
            logger.warn({ err: error, projectId, turnId }, 'how a turn was searched for was not kept');
          });
        },
      });
      return passages.map(({ chunkId, scores }) => ({ chunkId, score: Number(scores.fused.toFixed(4)) }));
    },

    /** Generates an answer as a new attempt and keeps it as the attempt's draft. Tokens go out as frames meanwhile. */
    async generateAnswer(
      { projectId, turnId }: ChatTurnInput,
      ranked: readonly RankedChunk[],
    ): Promise<{ attempt: number }> {
      return await withHeartbeat(timing.heartbeatEvery, async (signal, report) => {
        const [{ question, settings }, published] = await Promise.all([
          stores.turns.forGeneration(projectId, turnId),
          stores.chunks.published(
            projectId,
            ranked.map((chunk) => chunk.chunkId),
          ),
        ]);
        const provider = generation[settings.provider];
        if (!provider) {
          throw ApplicationFailure.nonRetryable(
            `Provider ${settings.provider} is not set up.`,
            'UNKNOWN_PROVIDER',
          );
        }
        const passages = inOrder(ranked, published);
        const attempt = await stores.turns.beginAttempt(projectId, turnId, provider.name);
        const frames = createFrameWriter(stores.frames, { projectId, turnId, attempt }, (error) => {
          logger.warn({ err: error, projectId, turnId }, 'live frames were lost');
        });
        if (attempt > 1) frames.push({ type: 'reset' });

        let text = '';
        let finish: Extract<GenerationEvent, { type: 'finish' }> | undefined;
        try {
          for await (const event of provider.generate({ question, passages, settings, signal })) {
            if (event.type === 'finish') {
              finish = event;
              break;
            }
            text += event.text;
            frames.token(event.text);
            report({ attempt, characters: text.length });
          }
        } catch (error) {
          if (text === '') await stores.turns.attemptUsedNothing(projectId, turnId, attempt);
          throw error;
        }
        const draft = draftOf({ text, finish, passages, ranked, unknownText: settings.unknownText });
        if (!finish && !signal.aborted) {
          throw ApplicationFailure.retryable(`${provider.name} ended without a finish.`, 'PROVIDER_PROTOCOL');
        }
        if (draft.sources.length > 0) frames.push({ type: 'sources', sources: draft.sources });
        await Promise.all([frames.close(), stores.turns.saveDraft(projectId, turnId, attempt, draft)]);
        signal.throwIfAborted();
        return { attempt };
      });
    },

    /**
     * Records the turn's one outcome; a turn that has one keeps it. Returns what is recorded. Then the conversation's
     * next turn is started, and whoever watches this one is told.
     */
    async recordTurn(input: ChatTurnInput, end: TurnEnd): Promise<{ status: TurnStatus }> {
      const { projectId, conversationId, turnId } = input;
      const { status, next, recorded } =
        end === 'cancelled'
          ? await stores.turns.recordCancelled(projectId, turnId)
          : 'attempt' in end
            ? await stores.turns.recordDraft(projectId, turnId, end.attempt)
            : await stores.turns.recordFailure(projectId, turnId, end);
      stores.frames.notify(turnId).catch((error: unknown) => {
        logger.warn({ err: error, projectId, turnId }, 'readers were not notified');
      });
      if (next) dispatcher.startSoon(next);
      if (recorded) {
        const workflowId = turnWorkflowId(turnId);
        logger.info({ projectId, conversationId, turnId, workflowId, ...recorded }, 'turn recorded');
        onTurn(recorded);
      }
      return { status };
    },
  };
}

function inOrder(ranked: readonly RankedChunk[], passages: readonly Passage[]): Passage[] {
  const byId = new Map(passages.map((passage) => [passage.chunkId, passage]));
  return ranked.flatMap(({ chunkId }) => byId.get(chunkId) ?? []);
}

function draftOf(generated: {
  text: string;
  finish: Extract<GenerationEvent, { type: 'finish' }> | undefined;
  passages: readonly Passage[];
  ranked: readonly RankedChunk[];
  unknownText: string;
}): Draft {
  const { text, finish, passages, ranked } = generated;
  const usage = {
    promptTokens: finish?.usage.promptTokens ?? 0,
    completionTokens: finish?.usage.completionTokens ?? 0,
  };
  if (!finish)
    return { outcome: 'cancelled', reply: text, sources: [], closest: [], confidence: null, ...usage };
  if (finish.outcome === 'declined') {
    return {
      outcome: 'declined',
      reply: generated.unknownText,
      sources: [],
      closest: closestOf(passages),
      confidence: finish.confidence,
      ...usage,
    };
  }
  const sources = finish.citations.flatMap((citation) => sourceOf(citation, passages, ranked) ?? []);
  return { outcome: 'answered', reply: text, sources, closest: [], confidence: finish.confidence, ...usage };
}

/** A citation as a source; undefined when the passage does not contain the quote, because then it proves nothing. */
function sourceOf(
  { chunkId, quote }: Citation,
  passages: readonly Passage[],
  ranked: readonly RankedChunk[],
): Source | undefined {
  const passage = passages.find((candidate) => candidate.chunkId === chunkId);
  if (!passage?.text.includes(quote)) return undefined;
  return {
    documentId: passage.documentId,
    title: passage.title,
    heading: passage.headingPath.join(' › '),
    ...(typeof passage.page === 'number' ? { page: passage.page } : {}),
    quote,
    score: ranked.find((candidate) => candidate.chunkId === chunkId)?.score ?? 0,
  };
}

function closestOf(passages: readonly Passage[]): ClosestDocument[] {
  const titles = new Map(passages.map(({ documentId, title }) => [documentId, title]));
  return [...titles].slice(0, closestDocuments).map(([documentId, title]) => ({ documentId, title }));
}
