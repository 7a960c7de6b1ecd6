// What a turn searches for: its question, made whole where it leans on what was said before.
import { models as timing } from '../../domain/deadlines.ts';
import { questionFor, rewriteInstruction, rewriteTokens, standalone } from '../../domain/follow-up.ts';
import type { ChatTurnInput } from '../../domain/flows.ts';
import type { ModelProvider } from '../../domain/models.ts';
import { tokensOf } from '../../domain/prompt.ts';
import type { GenerationProvider, Written } from '../../providers/generation.ts';
import type { TurnToAnswer } from '../../stores/postgres/turns.ts';
import type { ActivityDependencies } from '../index.ts';

type Dependencies = Pick<ActivityDependencies, 'stores' | 'logger'> & {
  generation: (provider: ModelProvider) => GenerationProvider;
};

/**
 * The first question of a conversation costs nothing here. A later one is rewritten by the project's model if that is
 * quick about it, else by rules, and kept with the turn: another try of the search does not ask again.
 */
export async function searchQueryOf(
  { stores, logger, generation }: Dependencies,
  { projectId, turnId }: ChatTurnInput,
  turn: TurnToAnswer,
  signal: AbortSignal,
): Promise<string> {
  const { question, history, searchQuery } = turn;
  const page = turn.page ?? undefined;
  if (searchQuery !== null) return searchQuery;
  if (history.length === 0 && !page?.title) return question;
  const byRules = standalone({ question, history, page });
  const written = history.length === 0 ? undefined : await byModel();
  const query = written?.text || byRules;
  const usage = written?.usage ?? { promptTokens: 0, completionTokens: 0 };
  if (query !== question || written) {
    const made = query === question ? null : query;
    await stores.turns.searchedFor(projectId, turnId, made, usage).catch((error: unknown) => {
      logger.warn({ err: error, projectId, turnId }, 'what was searched for was not recorded');
    });
  }
  return query;

  async function byModel(): Promise<Written | undefined> {
    const { provider, model } = turn.access.settings;
    if (provider === 'local') return undefined;
    const limit = AbortSignal.timeout(timing.rewrite);
    const context = { question, history, page, summary: turn.summary ?? undefined };
    try {
      const options = { ...context, model, signal: AbortSignal.any([signal, limit]) };
      return await generation(provider).rewrite?.(options);
    } catch (error) {
      signal.throwIfAborted();
      logger.info({ reason: (error as Error).message, projectId, turnId }, 'rewritten by rules');
      // Nobody knows what a model has used that was left in the middle: what it was shown, and all that it may write.
      const promptTokens = tokensOf(rewriteInstruction + questionFor(context));
      return limit.aborted
        ? { text: '', usage: { promptTokens, completionTokens: rewriteTokens } }
        : undefined;
    }
  }
}
