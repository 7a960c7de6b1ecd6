import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import type { ExplainedChunk } from '../../domain/retrieval.ts';
import type { App, AppDependencies } from '../app.ts';
import { closed } from '../turn-streams.ts';
import { acceptTurn, recordedTurn, turnSchema, turnView, usage, usageOf, visibleTurn } from '../turns.ts';

const params = z.object({ turnId: z.string() });
const place = z.object({ rank: z.number(), score: z.number() }).nullable();
const chunk = z.object({
  chunkId: z.string(),
  bm25: place,
  dense: place,
  documentId: z.string().nullable(),
  title: z.string().nullable(),
  heading: z.string().nullable(),
  text: z.string().nullable(),
});

const attempt = z.object({
  attempt: z.int(),
  provider: z.string(),
  model: z.string().nullable(),
  outcome: z.enum(['answered', 'declined', 'cancelled']).nullable().describe('Null: it failed, or was lost.'),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  usage: usage.nullable().describe('Null where it never became known.'),
  createdAt: z.date(),
});

/** Why a turn was answered as it was, and how it would be answered now. */
export function explanationRoutes(app: App, deps: AppDependencies): void {
  const tags = ['Conversations'];

  app.get(
    '/turns/:turnId/retrieval',
    {
      config: { scope: 'conversations', role: 'viewer', errors: ['TURN_NOT_FOUND', 'EXPLANATION_NOT_FOUND'] },
      schema: {
        tags,
        summary:
          'How the passages of a turn were found: both ranks, the fused score, the reranker’s, and what was dropped',
        params,
        response: {
          200: z.object({
            question: z.string(),
            query: z.string().nullable().describe('What was searched for, where it is not the question.'),
            found: z.object({ bm25: z.number(), dense: z.number() }),
            reranking: z
              .object({ provider: z.string(), model: z.string(), failure: z.string().nullable() })
              .nullable()
              .describe('Who ordered the best once more, or why the search went on without it.'),
            candidates: z.array(
              chunk.extend({ fused: z.number(), rerank: z.number().nullable(), shown: z.boolean() }),
            ),
            dropped: z.object({ count: z.number(), chunks: z.array(chunk) }),
          }),
        },
      },
    },
    async (request) => {
      const { projectId } = request;
      const turn = await visibleTurn(deps, request, request.params.turnId, undefined);
      const found = await deps.stores.explanations.get(projectId, turn.id);
      if (!found) throw new AppError('EXPLANATION_NOT_FOUND');
      const { candidates, dropped } = found;
      const ids = [...candidates, ...dropped.chunks].map(({ chunkId }) => chunkId);
      const labels = new Map(
        (await deps.stores.explanations.labels(projectId, ids)).map((label) => [label.chunkId, label]),
      );
      const labelled = ({ chunkId, bm25, dense }: ExplainedChunk) => {
        const { documentId = null, title = null, heading = null, text = null } = labels.get(chunkId) ?? {};
        return { chunkId, bm25, dense, documentId, title, heading, text };
      };
      return {
        question: turn.question,
        query: found.query,
        found: found.found,
        reranking: found.reranking,
        candidates: candidates.map((candidate, position) => ({
          ...labelled(candidate),
          fused: candidate.fused,
          rerank: candidate.rerank,
          shown: position < found.shown,
        })),
        dropped: { count: dropped.count, chunks: dropped.chunks.map(labelled) },
      };
    },
  );

  app.get(
    '/turns/:turnId/attempts',
    {
      config: { scope: 'conversations', role: 'viewer', errors: ['TURN_NOT_FOUND'] },
      schema: {
        tags,
        summary: 'Which provider and model were asked for an answer, and what came of each',
        params,
        response: { 200: z.object({ attempts: z.array(attempt) }) },
      },
    },
    async (request) => {
      const turn = await visibleTurn(deps, request, request.params.turnId, undefined);
      const attempts = await deps.stores.turns.attempts(request.projectId, turn.id);
      return {
        attempts: attempts.map(({ errorCode, errorMessage, promptTokens, completionTokens, ...rest }) => ({
          ...rest,
          error: errorCode === null ? null : { code: errorCode, message: errorMessage ?? '' },
          usage:
            promptTokens === null ? null : usageOf({ promptTokens, completionTokens: completionTokens ?? 0 }),
        })),
      };
    },
  );

  app.post(
    '/turns/:turnId/ask-again',
    {
      config: { scope: 'conversations', role: 'editor', errors: ['TURN_NOT_FOUND', 'TURN_FAILED'] },
      schema: {
        tags,
        summary:
          'Ask the same question now, apart from the conversation, and wait: the old answer beside the new',
        params,
        response: { 200: z.object({ before: turnSchema, now: turnSchema }) },
      },
    },
    async (request, reply) => {
      const before = await visibleTurn(deps, request, request.params.turnId, undefined);
      const again = { message: before.question, conversation: { repeats: before.id } };
      const accepted = await acceptTurn(deps, request, again, undefined);
      const now = await recordedTurn(deps, request, accepted, closed(reply));
      return { before: turnView(before), now: turnView(now) };
    },
  );
}
