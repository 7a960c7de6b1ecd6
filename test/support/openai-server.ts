// A stand-in for OpenAI, Groq and Ollama: chat completions (streamed), embeddings and the list of models, as
// https://platform.openai.com/docs/api-reference describes them.
import type { ServerResponse } from 'node:http';
import {
  type Behaviour,
  type ModelServer,
  sendJson,
  sendParts,
  startModelServer,
  wordVector,
} from './model-server.ts';

const usage = { prompt_tokens: 120, completion_tokens: 24, total_tokens: 144 };

/** `url` ends before `/chat/completions`. */
export async function startOpenAiServer(options: { apiKey?: string } = {}): Promise<ModelServer> {
  const server = await startModelServer(async ({ path, method, headers }, body, response, take) => {
    if (options.apiKey && headers.authorization !== `Bearer ${options.apiKey}`) {
      const error = { message: 'Incorrect API key', type: 'invalid_request_error', code: 'invalid_api_key' };
      sendJson(response, 401, { error });
    } else if (method === 'GET' && path === '/v1/models') {
      const data = ['gpt-4o-mini', 'gpt-4o'].map((id) => ({
        id,
        object: 'model',
        created: 0,
        owned_by: 'test',
      }));
      sendJson(response, 200, { object: 'list', data });
    } else if (path === '/v1/embeddings') {
      const behaviour = take(body);
      if ('status' in behaviour) sendError(response, behaviour);
      else sendEmbeddings(response, body);
    } else if (path === '/v1/chat/completions') {
      await sendChat(response, body, take(body));
    } else {
      sendJson(response, 404, { error: { message: 'not found', type: 'invalid_request_error', code: null } });
    }
  });
  return { ...server, url: `${server.url}/v1` };
}

function sendError(response: ServerResponse, behaviour: Extract<Behaviour, { status: number }>): void {
  const body = {
    error: { message: 'a message that may repeat the prompt', type: 'server_error', code: null },
  };
  sendJson(response, behaviour.status, behaviour.body ?? body, behaviour.headers);
}

function sendEmbeddings(
  response: ServerResponse,
  body: { input: string[]; model: string; dimensions?: number },
): void {
  const data = body.input.map((text, index) => ({
    object: 'embedding',
    index,
    embedding: wordVector(text, body.dimensions ?? 768),
  }));
  // The API promises the index, and not the order.
  const total = { prompt_tokens: 1, total_tokens: 1 };
  sendJson(response, 200, { object: 'list', model: body.model, data: data.reverse(), usage: total });
}

async function sendChat(
  response: ServerResponse,
  body: { model: string },
  behaviour: Behaviour,
): Promise<void> {
  if ('status' in behaviour) {
    sendError(response, behaviour);
    return;
  }
  const chunk = (choices: object[], more: object = {}) =>
    `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 0, model: body.model, choices, ...more })}\n\n`;
  const delta = (given: object, finish: string | null = null) =>
    chunk([{ index: 0, delta: given, logprobs: null, finish_reason: finish }]);
  const end = (finish: string) => {
    response.write(delta({}, finish));
    response.write(chunk([], { usage }));
    response.end('data: [DONE]\n\n');
  };
  if ('tool' in behaviour) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const { name, arguments: given } = behaviour.tool;
    const json = JSON.stringify(given);
    const call = (part: object) => response.write(delta({ tool_calls: [{ index: 0, ...part }] }));
    call({ id: 'call_abc', type: 'function', function: { name, arguments: '' } });
    // In pieces, as the real one does.
    for (let at = 0; at < json.length; at += 7) call({ function: { arguments: json.slice(at, at + 7) } });
    end('tool_calls');
    return;
  }
  const refused = behaviour.finish === 'refused';
  const whole = await sendParts(response, behaviour, (part) =>
    delta(refused ? { refusal: part } : { content: part }),
  );
  if (!whole) return;
  end(behaviour.finish === 'filtered' ? 'content_filter' : refused ? 'stop' : (behaviour.finish ?? 'stop'));
}
