// Rerankers behind an API, as Cohere (v2), Jina and Voyage publish it: POST <base>/rerank, a score for each document by its
// index. Servers that people run themselves mostly speak Jina's.
import { z } from 'zod';
import { models as timing } from '../../domain/deadlines.ts';
import { defaultRerankModels, type RerankApi } from '../../domain/models.ts';
import { ProviderError } from '../../domain/errors.ts';
import { withLimits } from '../../outbound/limits.ts';
import { brokenProtocol, connectionFailure, httpFailure, retryAfterOf } from '../failures.ts';
import type { Reranker } from './reranker.ts';

interface HttpRerankerOptions {
  name: RerankApi;
  /** Ends before `/rerank`. */
  baseUrl: string;
  apiKey: string | undefined;
  /** Empty: the provider's default. */
  model: string;
  /** safeFetch where a customer chose the address. */
  fetch: typeof fetch;
}

/** Several times what the indices and scores of the candidates take, also where a server repeats the documents. */
const maxBytes = 1024 * 1024;
const candidates = 30;
/** A search leaves earlier (retrieval/rerank.ts). */
const callAtMost = 2 * timing.rerank;
const scored = z.array(z.object({ index: z.int().min(0), relevance_score: z.number() }));
const answer = z.union([z.object({ results: scored }), z.object({ data: scored })]);

export function createHttpReranker(options: HttpRerankerOptions): Reranker {
  const { name, baseUrl, apiKey } = options;
  const model = options.model || defaultRerankModels[name];
  const call = withLimits(options.fetch, { totalMs: callAtMost, maxBytes });
  let pausedUntil = 0;

  async function request(body: object, signal: AbortSignal): Promise<unknown> {
    const response = await call(`${baseUrl.replace(/\/+$/, '')}/rerank`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        ...(apiKey ? { authorization: `Bearer ${apiKey}` } : {}),
      },
      body: JSON.stringify(body),
      signal,
    });
    if (response.ok) return await response.json();
    await response.body?.cancel();
    const retryAfterMs = retryAfterOf(response.headers);
    // Asked to wait, nobody asks it before: the searches until then go on without it at once.
    if (response.status === 429) pausedUntil = Date.now() + (retryAfterMs ?? 0);
    throw httpFailure(name, {
      status: response.status,
      retryAfterMs,
      model,
      cause: undefined,
    });
  }

  return {
    name,
    model,
    candidates,
    async rerank(question, documents, signal) {
      signal.throwIfAborted();
      const pause = pausedUntil - Date.now();
      if (pause > 0) {
        const message = `has asked not to be asked for another ${Math.ceil(pause / 1000)} s.`;
        throw new ProviderError(name, message, { retryable: true, kind: 'rate_limited' });
      }
      const given = { model, query: question, documents };
      let reply: unknown;
      try {
        reply = await request({ ...given, ...limitOf(name, documents.length) }, signal);
      } catch (error) {
        signal.throwIfAborted();
        throw error instanceof ProviderError ? error : connectionFailure(name, error);
      }
      const parsed = answer.safeParse(reply);
      if (!parsed.success) throw brokenProtocol(name, 'sent no scores.');
      return inOrder(
        name,
        'results' in parsed.data ? parsed.data.results : parsed.data.data,
        documents.length,
      );
    },
  };
}

/** All of them are wanted back, with their scores alone. Jina repeats the documents unless it is told not to. */
function limitOf(name: RerankApi, count: number): object {
  if (name === 'voyage') return { top_k: count, return_documents: false, truncation: true };
  if (name === 'jina') return { top_n: count, return_documents: false };
  return { top_n: count };
}

/** The scores in the order of the documents. A part of them would put what is missing last, for no reason. */
function inOrder(name: string, results: z.infer<typeof scored>, count: number): number[] {
  const scores = new Map(results.map(({ index, relevance_score }) => [index, relevance_score]));
  if (
    scores.size !== results.length ||
    Array.from({ length: count }, (_, at) => at).some((at) => !scores.has(at))
  )
    throw brokenProtocol(name, `sent ${results.length} scores for ${count} texts.`);
  return Array.from({ length: count }, (_, at) => scores.get(at)!);
}
