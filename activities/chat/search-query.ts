// What a turn searches for: its question, made whole where it leans on what was said before.
import { models as timing } from '../../domain/deadlines.ts';
import { standalone } from '../../domain/follow-up.ts';
import type { ChatTurnInput } from '../../domain/flows.ts';
import type { ModelProvider } from '../../domain/models.ts';
import type { GenerationProvider } from '../../providers/generation.ts';
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
  const { question, history, page, searchQuery } = turn;
  if (searchQuery !== null) return searchQuery;
  if (history.length === 0 && !page?.title) return question;
  const byRules = standalone({ question, history, page: page ?? undefined });
  const query = history.length === 0 ? byRules : ((await byModel()) ?? byRules);
  if (query !== question) {
    await stores.turns.searchedFor(projectId, turnId, query).catch((error: unknown) => {
      logger.warn({ err: error, projectId, turnId }, 'what was searched for was not recorded');
    });
  }
  return query;

  async function byModel(): Promise<string | undefined> {
    const { provider, model } = turn.access.settings;
    if (provider === 'local') return undefined;
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(timing.rewrite)]);
      const options = { question, history, page: page ?? undefined, model, signal: limit };
      return (await generation(provider).rewrite?.(options)) || undefined;
    } catch (error) {
      signal.throwIfAborted();
      logger.info({ reason: (error as Error).message, projectId, turnId }, 'rewritten by rules');
      return undefined;
    }
  }
}
