// What was said before the turns that a prompt holds in full, in few words: made after an answer, for those that follow.
import { AppError, ProviderError } from '../../domain/errors.ts';
import { turn as timing } from '../../domain/deadlines.ts';
import type { ChatTurnInput } from '../../domain/flows.ts';
import { stretchOf, summaryByRules } from '../../domain/summaries.ts';
import { summaryReservation } from '../../domain/usage.ts';
import type { Written } from '../../providers/generation.ts';
import type { ProjectAccess } from '../../domain/projects.ts';
import type { Unsummarised } from '../../stores/postgres/summaries.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';

type Dependencies = Pick<ActivityDependencies, 'stores' | 'providers'>;

/** Whether a conversation has come to say more than a prompt can hold. */
export async function needsSummary(
  { stores }: Pick<Dependencies, 'stores'>,
  { projectId, conversationId }: ChatTurnInput,
): Promise<boolean> {
  const { turns } = await stores.summaries.unsummarised(projectId, conversationId);
  return stretchOf(turns) > 0;
}

export function createSummaryActivities({ stores, providers }: Dependencies) {
  return {
    /**
     * Summarises the stretch that is due, if one is: once for each, whoever tries. A project without tokens for it goes
     * without; the next turn tries again.
     */
    async summariseEarlier(input: ChatTurnInput): Promise<{ turns: number }> {
      const { projectId, conversationId, turnId } = input;
      return await withHeartbeat(timing.heartbeatEvery, async (signal) => {
        const [access, { before, turns }] = await Promise.all([
          stores.projects.access(projectId),
          stores.summaries.unsummarised(projectId, conversationId),
        ]);
        const stretch = turns.slice(0, stretchOf(turns));
        const last = stretch.at(-1);
        if (!access || !last) return { turns: 0 };
        const { provider: name, model } = access.settings;
        const provider = providers.generation(name, access, undefined);
        const made = { through: last.position, provider: name, model: model || provider.defaultModel };
        const { summarise } = provider;
        const written = summarise
          ? await withinBudget(access, turnId, () =>
              summarise({ before, turns: stretch, model: made.model, signal }),
            )
          : byRules(before, stretch);
        if (!written) return { turns: 0 };
        const { text, usage } = written.text
          ? written
          : { ...byRules(before, stretch), usage: written.usage };
        await stores.summaries.save(projectId, conversationId, turnId, { ...made, text, ...usage });
        return { turns: stretch.length };
      });
    },
  };

  /** Undefined where the project has no tokens left for it. */
  async function withinBudget(
    { projectId, settings }: ProjectAccess,
    turnId: string,
    summarise: () => Promise<Written>,
  ): Promise<Written | undefined> {
    try {
      await stores.summaries.reserve(projectId, turnId, summaryReservation, settings);
    } catch (error) {
      if (error instanceof AppError && error.code === 'TOKEN_LIMIT_EXCEEDED') return undefined;
      throw error;
    }
    try {
      return await summarise();
    } catch (error) {
      const usedNothing = error instanceof ProviderError && !['timeout', 'protocol'].includes(error.kind);
      await stores.summaries.withdraw(projectId, turnId, { usedNothing });
      throw error;
    }
  }
}

const byRules = (before: string | null, turns: Unsummarised['turns']): Written => ({
  text: summaryByRules(before, turns),
  usage: { promptTokens: 0, completionTokens: 0 },
});
