import { z } from 'zod';
import { recentDays } from '../../domain/usage.ts';
import type { App, AppDependencies } from '../app.ts';

const querystring = z.object({ days: z.coerce.number().int().min(1).max(366).default(recentDays) });

const tags = ['Usage'];
const count = z.int().min(0);
const day = z.object({ date: z.iso.date(), conversations: count, messages: count, tokens: count });
const endpoint = z.object({ route: z.string(), calls: count, errors: count });
const period = z.object({ days: count, from: z.string(), to: z.string() }).describe('Days in UTC.');

const usageSchema = {
  summary: 'What the project has and what it has used',
  tags,
  querystring,
  response: {
    200: z.object({
      documents: z.object({
        total: count,
        ready: count,
        processing: count,
        failed: count,
        chunks: count,
      }),
      conversations: count,
      messages: count.describe('Questions and replies.'),
      tokens: z.object({
        prompt: count,
        completion: count,
        lost: count.describe('Reserved for attempts whose use never became known.'),
        total: count,
        month: count.describe('In this calendar month, UTC.'),
        reserved: count.describe('Held by answers under way.'),
        limit: count.nullable(),
        monthlyBudget: count.nullable(),
      }),
      endpoints: z.array(endpoint),
      configFetches: count.describe('How often widgets asked for their settings.'),
      days: z.array(day),
      period,
    }),
  },
};

const analyticsSchema = {
  summary: 'What visitors did, and how well they were answered',
  tags,
  querystring,
  response: {
    200: z.object({
      sessions: z.object({
        total: count,
        active: count.describe('With a message in the last half hour.'),
        durationSeconds: z.object({ average: z.number(), median: z.number() }),
        messagesPerSession: z.number(),
      }),
      answers: z.object({
        answered: count,
        declined: count,
        cancelled: count,
        failed: count,
        unansweredRate: z.number().describe('Declined, of all that ended.'),
        errorRate: z.number().describe('Failed, of all that ended.'),
        answerMs: z.object({
          average: z.number().nullable(),
          p50: z.number().nullable(),
          p95: z.number().nullable(),
        }),
      }),
      commonQuestions: z.array(z.object({ question: z.string(), count, declined: count })),
      endpoints: z.array(endpoint),
      configFetches: count,
      daily: z.array(day),
      period,
    }),
  },
};

const commonQuestions = 20;

export function usageRoutes(app: App, { stores }: Pick<AppDependencies, 'stores'>): void {
  const config = { scope: 'conversations', role: 'viewer' } as const;

  app.get('/usage', { config, schema: usageSchema }, async ({ projectId, query: { days } }) => {
    const [project, { tokens, ...totals }, endpoints, daily] = await Promise.all([
      stores.projects.get(projectId),
      stores.usage.totals(projectId),
      stores.usage.endpoints(projectId, days),
      stores.usage.daily(projectId, days),
    ]);
    return {
      ...totals,
      tokens: {
        ...tokens,
        limit: project?.settings.tokenLimit ?? null,
        monthlyBudget: project?.settings.monthlyTokenBudget ?? null,
      },
      endpoints,
      configFetches: configFetchesOf(endpoints),
      days: daily,
      period: periodOf(daily),
    };
  });

  app.get('/analytics', { config, schema: analyticsSchema }, async ({ projectId, query: { days } }) => {
    const [sessions, answers, questions, endpoints, daily] = await Promise.all([
      stores.analytics.sessions(projectId, days),
      stores.analytics.answers(projectId, days),
      stores.analytics.commonQuestions(projectId, days, commonQuestions),
      stores.usage.endpoints(projectId, days),
      stores.usage.daily(projectId, days),
    ]);
    const ended = answers.answered + answers.declined + answers.cancelled + answers.failed;
    const rate = (part: number) => (ended === 0 ? 0 : part / ended);
    return {
      sessions,
      answers: { ...answers, unansweredRate: rate(answers.declined), errorRate: rate(answers.failed) },
      commonQuestions: questions,
      endpoints,
      configFetches: configFetchesOf(endpoints),
      daily,
      period: periodOf(daily),
    };
  });
}

/** The widgets' calls for their settings: `/api/chatbot/config`, `/api/widget/config/:apiKey` and their like. */
const configFetchesOf = (endpoints: readonly { route: string; calls: number }[]): number =>
  endpoints
    .filter(({ route }) => /^GET .*\/config(\/|$)/.test(route))
    .reduce((sum, { calls }) => sum + calls, 0);

const periodOf = (days: readonly { date: string }[]) => ({
  days: days.length,
  from: days[0]?.date ?? '',
  to: days.at(-1)?.date ?? '',
});
