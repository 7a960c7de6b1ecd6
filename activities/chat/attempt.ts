// One attempt at an answer, by one provider, and the chain of those that a project has set up.
import { ApplicationFailure } from '@temporalio/common';
import type { RankedChunk } from '../../domain/chat.ts';
import { turn as timing } from '../../domain/deadlines.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { ChatTurnInput } from '../../domain/flows.ts';
import type { ModelProvider } from '../../domain/models.ts';
import type { GenerationEvent, GenerationProvider, Passage } from '../../providers/generation.ts';
import type { TurnToAnswer } from '../../stores/postgres/turns.ts';
import type { ActivityDependencies } from '../index.ts';
import { draftOf } from './draft.ts';
import { createFrameWriter } from './frame-writer.ts';
import { sendEmailFor } from './send-email.ts';
import { generateWithTools } from './with-tools.ts';

interface Answering {
  input: ChatTurnInput;
  turn: TurnToAnswer;
  passages: readonly Passage[];
  ranked: readonly RankedChunk[];
  signal: AbortSignal;
  report: (details: unknown) => void;
}

interface Candidate {
  provider: ModelProvider;
  model: string;
}

type AttemptDependencies = Pick<ActivityDependencies, 'stores' | 'logger' | 'dispatcher'> & {
  generation: (provider: ModelProvider) => GenerationProvider;
};

/**
 * Asks the project's providers in turn, each with an attempt of its own, until one has an answer. Rejects with what the
 * last one failed with; every attempt keeps its failure. The next try of the activity begins with the first again.
 */
export async function answerByChain(
  deps: AttemptDependencies,
  answering: Answering,
): Promise<{ attempt: number }> {
  const { settings } = answering.turn.access;
  const chain: Candidate[] = [{ provider: settings.provider, model: settings.model }, ...settings.fallbacks];
  const failures: ProviderError[] = [];
  for (const candidate of chain) {
    try {
      return await attemptBy(candidate, deps, answering);
    } catch (error) {
      if (!(error instanceof ProviderError) || answering.signal.aborted) throw error;
      failures.push(error);
    }
  }
  throw failureOfTurn(failures);
}

/** One failure of what a turn needs, or one for each provider of a chain: trying again helps if one of them may answer then, and so soon that the visitor is still there. */
export function failureOfTurn(failures: readonly ProviderError[]): ApplicationFailure {
  const pause = ({ retryAfterMs = 0 }: ProviderError) => retryAfterMs;
  const hopeful = failures.filter((failure) => failure.retryable && pause(failure) < timing.deadline);
  const [first] = hopeful.toSorted((a, b) => pause(a) - pause(b));
  const message = failures.map((failure) => failure.message).join(' Then ');
  if (!first) return ApplicationFailure.nonRetryable(message, failures[0]!.type);
  return ApplicationFailure.create({
    message,
    type: first.type,
    ...(first.retryAfterMs === undefined ? {} : { nextRetryDelay: first.retryAfterMs }),
  });
}

async function attemptBy(
  candidate: Candidate,
  { stores, logger, dispatcher, generation }: AttemptDependencies,
  { input, turn, passages, ranked, signal, report }: Answering,
): Promise<{ attempt: number }> {
  const { projectId, turnId } = input;
  const { settings } = turn.access;
  const fail = async (attempt: number, { type: code, message }: ProviderError) => {
    await stores.turns.failAttempt(projectId, turnId, attempt, { code, message }).catch((error: unknown) => {
      logger.warn({ err: error, projectId, turnId }, 'the failure of an attempt was not recorded');
    });
  };
  let provider: GenerationProvider;
  try {
    provider = generation(candidate.provider);
  } catch (error) {
    if (error instanceof ProviderError) {
      const attempt = await stores.turns.beginAttempt(projectId, turnId, candidate);
      await stores.turns.attemptUsedNothing(projectId, turnId, attempt);
      await fail(attempt, error);
    }
    throw error;
  }
  const model = candidate.model || provider.defaultModel;
  const attempt = await stores.turns.beginAttempt(projectId, turnId, { provider: provider.name, model });
  const frames = createFrameWriter(stores.frames, { projectId, turnId, attempt }, (error) => {
    logger.warn({ err: error, projectId, turnId }, 'live frames were lost');
  });
  if (attempt > 1) frames.push({ type: 'reset' });

  const { question, history } = turn;
  const page = turn.page ?? undefined;
  const searched = turn.searchQuery ?? undefined;
  const summary = turn.summary ?? undefined;
  const request = {
    question,
    searched,
    passages,
    summary,
    history,
    page,
    settings: { ...settings, model },
    signal,
  };
  let text = '';
  let tokensUsed = false;
  let finish: Extract<GenerationEvent, { type: 'finish' }> | undefined;
  try {
    const host = turn.page?.host;
    const tools =
      host === undefined
        ? undefined
        : await sendEmailFor(
            { stores, dispatcher },
            { projectId, turnId, host, language: settings.primaryLanguage },
          );
    for await (const event of generateWithTools(provider, request, tools)) {
      if (event.type === 'finish') {
        finish = event;
        break;
      }
      if (event.type === 'tool' || event.type === 'reset') {
        if (event.type === 'reset') text = '';
        tokensUsed = true;
        frames.push(event);
        continue;
      }
      text += event.text;
      frames.token(event.text);
      report({ attempt, provider: provider.name, characters: text.length });
    }
    if (!finish && !signal.aborted) {
      const message = 'the answer ended without its end.';
      throw new ProviderError(provider.name, message, { retryable: true, kind: 'protocol' });
    }
  } catch (error) {
    await frames.close();
    if (text === '' && !tokensUsed) await stores.turns.attemptUsedNothing(projectId, turnId, attempt);
    if (error instanceof ProviderError) await fail(attempt, error);
    throw error;
  }
  const draft = draftOf({ text, finish, passages, ranked, unknownText: settings.unknownText });
  // Only the whole answer showed that it is none: readers drop what they have seen of it.
  if (draft.outcome === 'declined' && text !== '') frames.push({ type: 'reset' });
  if (draft.sources.length > 0) frames.push({ type: 'sources', sources: draft.sources });
  // The draft comes last: whoever takes it over generates nothing, and readers have only these frames.
  await frames.close();
  await stores.turns.saveDraft(projectId, turnId, attempt, draft);
  signal.throwIfAborted();
  return { attempt };
}
