// A server that speaks the rerank APIs of Cohere (v2), Jina and Voyage, each below its own path. Like the real ones it
// refuses what it does not know. Texts that share words with the question score high.
import type { ServerResponse } from 'node:http';
import { type ModelServer, sendJson, startModelServer } from './model-server.ts';

const known = {
  '/cohere/v2/rerank': ['model', 'query', 'documents', 'top_n', 'max_tokens_per_doc'],
  '/jina/v1/rerank': ['model', 'query', 'documents', 'top_n', 'return_documents'],
  '/voyage/v1/rerank': ['model', 'query', 'documents', 'top_k', 'return_documents', 'truncation'],
} as const;
type Path = keyof typeof known;

interface Asked {
  model: string;
  query: string;
  documents: string[];
  top_n?: number;
  top_k?: number;
  return_documents?: boolean;
}

/** Behaviours: a `status`; `parts`, sent as they are instead of scores; with the fault `silence`, nothing. */
export async function startRerankServer(options: { apiKey: string }): Promise<ModelServer> {
  const server = await startModelServer(async ({ path, headers }, body: Asked, response, take) => {
    if (!(path in known)) return sendJson(response, 404, { message: 'not found' });
    const unknown = Object.keys(body).filter(
      (field) => !(known[path as Path] as readonly string[]).includes(field),
    );
    if (headers.authorization !== `Bearer ${options.apiKey}`)
      return sendJson(response, 401, { message: 'invalid api token' });
    if (unknown.length > 0)
      return sendJson(response, 400, { message: `unknown fields: ${unknown.join(', ')}` });
    const behaviour = take(body);
    if ('status' in behaviour) {
      return sendJson(response, behaviour.status, behaviour.body ?? { message: 'no' }, behaviour.headers);
    }
    if ('tool' in behaviour) throw new Error('a reranker has no tools');
    if (behaviour.fault === 'silence') return;
    if (behaviour.fault === 'cut') response.destroy();
    else if (behaviour.parts.length > 0) sendText(response, behaviour.parts.join(''));
    else sendScores(response, path as Path, body);
  });
  server.otherwise(() => ({ parts: [] }));
  return server;
}

function sendText(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(text);
}

function sendScores(response: ServerResponse, path: Path, asked: Asked): void {
  const { model, query, documents, top_n, top_k, return_documents = path === '/jina/v1/rerank' } = asked;
  const scores = documents
    .map((text, index) => ({
      index,
      relevance_score: shared(query, text),
      ...(return_documents ? { document: { text } } : {}),
    }))
    .sort((a, b) => b.relevance_score - a.relevance_score)
    .slice(0, top_n ?? top_k);
  if (path === '/voyage/v1/rerank') {
    sendJson(response, 200, { object: 'list', data: scores, model, usage: { total_tokens: 9 } });
  } else if (path === '/jina/v1/rerank') {
    sendJson(response, 200, { model, usage: { total_tokens: 9 }, results: scores });
  } else {
    sendJson(response, 200, { id: 'a', results: scores, meta: { billed_units: { search_units: 1 } } });
  }
}

/** The share of the question's words that the text has. */
function shared(question: string, text: string): number {
  const words = (of: string) => new Set(of.toLowerCase().match(/\p{L}{3,}/gu));
  const asked = words(question);
  return [...asked].filter((word) => words(text).has(word)).length / Math.max(1, asked.size);
}
