// A stand-in for Google's Gemini API: streamGenerateContent, batchEmbedContents and models.list, as
// https://ai.google.dev/api describes them.
import {
  type Behaviour,
  type ModelServer,
  sendJson,
  sendParts,
  startModelServer,
  wordVector,
} from './model-server.ts';

const usageMetadata = { promptTokenCount: 110, candidatesTokenCount: 22, totalTokenCount: 132 };

export async function startGeminiServer(options: { apiKey: string }): Promise<ModelServer> {
  return await startModelServer(async ({ path, method, headers }, body, response, take) => {
    if (headers['x-goog-api-key'] !== options.apiKey) {
      const details = [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' }];
      const error = { code: 400, message: 'API key not valid.', status: 'INVALID_ARGUMENT', details };
      sendJson(response, 400, { error });
    } else if (method === 'GET' && path.startsWith('/v1beta/models')) {
      const model = (name: string, ...supportedGenerationMethods: string[]) => ({
        name: `models/${name}`,
        supportedGenerationMethods,
      });
      const models = [model('gemini-2.5-flash', 'generateContent'), model('embedding-001', 'embedContent')];
      sendJson(response, 200, { models });
    } else if (path.includes(':batchEmbedContents')) {
      const behaviour = take(body);
      if ('status' in behaviour) {
        sendJson(response, behaviour.status, behaviour.body ?? {}, behaviour.headers);
        return;
      }
      type Embed = { content: { parts: { text: string }[] }; outputDimensionality?: number };
      const embeddings = (body.requests as Embed[]).map(({ content, outputDimensionality }) => ({
        values: wordVector(content.parts[0]!.text, outputDimensionality ?? 3072),
      }));
      sendJson(response, 200, { embeddings });
    } else if (path.includes(':streamGenerateContent') && path.includes('alt=sse')) {
      const behaviour = take(body);
      if ('status' in behaviour)
        sendJson(response, behaviour.status, behaviour.body ?? errorOf(behaviour), behaviour.headers);
      else if ('tool' in behaviour) {
        const functionCall = { name: behaviour.tool.name, args: behaviour.tool.arguments };
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(event([{ functionCall }], 'STOP'));
      } else await sendChat(response, behaviour);
    } else {
      sendJson(response, 404, { error: { code: 404, message: 'not found', status: 'NOT_FOUND' } });
    }
  });
}

const errorOf = ({ status }: { status: number }) => ({
  error: { code: status, message: 'a message that may repeat the prompt', status: 'UNAVAILABLE' },
});

function event(parts: object[], finishReason?: string): string {
  const candidate = {
    content: { parts, role: 'model' },
    index: 0,
    ...(finishReason ? { finishReason } : {}),
  };
  return `data: ${JSON.stringify({ candidates: [candidate], usageMetadata })}\r\n\r\n`;
}

async function sendChat(
  response: import('node:http').ServerResponse,
  behaviour: Extract<Behaviour, { parts: string[] }>,
): Promise<void> {
  if (behaviour.finish === 'refused') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(
      `data: ${JSON.stringify({ promptFeedback: { blockReason: 'SAFETY' }, usageMetadata })}\r\n\r\n`,
    );
    return;
  }
  const whole = await sendParts(response, behaviour, (text) => event([{ text }]));
  if (!whole) return;
  const reasons = { stop: 'STOP', length: 'MAX_TOKENS', filtered: 'SAFETY' } as const;
  response.end(event([], reasons[behaviour.finish ?? 'stop']));
}
