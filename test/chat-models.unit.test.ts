// The models' protocols, spoken with real servers over HTTP, faults included.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ProviderError } from '../domain/errors.ts';
import type { ChatEvent, ChatModel } from '../providers/chat-model.ts';
import { createGeminiChat } from '../providers/gemini/chat.ts';
import { createOpenAiChat } from '../providers/openai/chat.ts';
import { startGeminiServer } from './support/gemini-server.ts';
import type { ModelServer } from './support/model-server.ts';
import { startOpenAiServer } from './support/openai-server.ts';

const patience = { firstToken: 500, betweenTokens: 500 };
const apiKey = 'key-for-tests';
let openai: ModelServer;
let gemini: ModelServer;
const chats: Record<string, ChatModel> = {};

beforeAll(async () => {
  openai = await startOpenAiServer({ apiKey });
  gemini = await startGeminiServer({ apiKey });
  for (const name of ['openai', 'groq', 'ollama'] as const) {
    chats[name] = createOpenAiChat({ name, baseUrl: openai.url, apiKey, fetch, patience });
  }
  chats.gemini = createGeminiChat({ baseUrl: gemini.url, apiKey, patience });
});
afterAll(async () => {
  await Promise.all([openai.close(), gemini.close()]);
});
beforeEach(() => {
  openai.requests.length = 0;
  gemini.requests.length = 0;
});

const sendEmail = {
  name: 'sendEmail',
  description: 'Sends the visitor’s message to the business.',
  parameters: {
    type: 'object',
    properties: { name: { type: 'string' }, email: { type: 'string' }, message: { type: 'string' } },
    required: ['name', 'email', 'message'],
  },
};

async function ask(
  name: string,
  options: { signal?: AbortSignal; tools?: boolean; onText?: () => void } = {},
) {
  const events: ChatEvent[] = [];
  for await (const event of chats[name]!.stream({
    model: 'a-model',
    messages: [
      { role: 'system', text: 'Be brief.' },
      { role: 'user', text: 'Hello?' },
    ],
    temperature: 0.3,
    maxOutputTokens: 50,
    tools: options.tools ? [sendEmail] : [],
    signal: options.signal ?? new AbortController().signal,
  })) {
    events.push(event);
    if (event.type === 'text') options.onText?.();
  }
  return { events, text: events.map((event) => (event.type === 'text' ? event.text : '')).join('') };
}

async function failureOf(name: string): Promise<ProviderError> {
  const error = await ask(name).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ProviderError);
  return error as ProviderError;
}

const serverOf = (name: string) => (name === 'gemini' ? gemini : openai);

describe.each(['openai', 'groq', 'ollama', 'gemini'])('%s', (name) => {
  test('streams the answer and counts its tokens', async () => {
    serverOf(name).next({ parts: ['We ', 'are ', 'open.'] });
    const { events, text } = await ask(name);
    expect(text).toBe('We are open.');
    expect(events).toHaveLength(4);
    const usage = name === 'gemini' ? [110, 22] : [120, 24];
    expect(events.at(-1)).toEqual({
      type: 'end',
      reason: 'stop',
      usage: { promptTokens: usage[0], completionTokens: usage[1] },
    });
  });

  test('says that the answer was cut at the limit', async () => {
    serverOf(name).next({ parts: ['We are'], finish: 'length' });
    expect((await ask(name)).events.at(-1)).toMatchObject({ type: 'end', reason: 'length' });
  });

  test.each(['refused', 'filtered'] as const)('tells that it was %s', async (finish) => {
    serverOf(name).next({ parts: ['I cannot '], finish });
    const { events } = await ask(name);
    expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'refused', refusal: expect.any(String) });
  });

  test('hands a tool call on', async () => {
    const given = { name: 'Ada', email: 'ada@example.com', message: 'Please call me — “soon”.' };
    serverOf(name).next({ tool: { name: 'sendEmail', arguments: given } });
    const { events } = await ask(name, { tools: true });
    expect(events[0]).toMatchObject({ type: 'tool_call', name: 'sendEmail', arguments: given });
    expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'stop' });
  });

  test('a 429 says how long to wait', async () => {
    serverOf(name).next(
      name === 'gemini'
        ? {
            status: 429,
            body: {
              error: {
                code: 429,
                message: 'slow down',
                details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '7s' }],
              },
            },
          }
        : { status: 429, headers: { 'retry-after': '7' } },
    );
    const error = await failureOf(name);
    expect(error).toMatchObject({ retryable: true, retryAfterMs: 7_000, kind: 'rate_limited' });
    expect(error.message).toBe(
      `${name}: limits how much it is asked (429), and asks to be tried again in 7 s.`,
    );
    expect(error.type).toBe(`${name.toUpperCase()}_RATE_LIMITED`);
    expect(serverOf(name).requests).toHaveLength(1);
  });

  test('a 500 is worth another try, and is not tried again here', async () => {
    serverOf(name).next({ status: 500 });
    const error = await failureOf(name);
    expect(error).toMatchObject({ retryable: true, kind: 'unavailable', retryAfterMs: undefined });
    expect(error.message).not.toContain('prompt');
    expect(serverOf(name).requests).toHaveLength(1);
  });

  test('a refused request is not', async () => {
    serverOf(name).next({ status: 422 });
    expect(await failureOf(name)).toMatchObject({ retryable: false, kind: 'request' });
    serverOf(name).next({ status: 404 });
    expect((await failureOf(name)).message).toContain('does not know the model "a-model"');
  });

  test('slow drips arrive, as long as none is too slow', async () => {
    serverOf(name).next({ parts: ['a', 'b', 'c', 'd', 'e'], every: 100 });
    expect((await ask(name)).text).toBe('abcde');
  });

  test('no first word, and silence in the middle, end in time', async () => {
    serverOf(name).next({ parts: ['x'], after: 0, fault: 'silence' });
    let error = await failureOf(name);
    expect(error).toMatchObject({ retryable: true, kind: 'timeout' });
    expect(error.message).toContain('no first word within 0.5 s');
    serverOf(name).next({ parts: ['x', 'y'], after: 1, fault: 'silence' });
    error = await failureOf(name);
    expect(error.message).toContain('fell silent for 0.5 s');
    const { abandoned } = serverOf(name);
    await expect.poll(abandoned).toBeGreaterThanOrEqual(2);
  });

  test.each([
    'cut',
    'end',
    'malformed',
  ] as const)('a stream with a %s is worth another try', async (fault) => {
    serverOf(name).next({ parts: ['We ', 'are ', 'open.'], after: 2, fault });
    const error = await failureOf(name);
    expect(error.retryable).toBe(true);
    expect(error.message).toMatch(
      {
        cut: /the connection failed/,
        end: /broke off before its end/,
        malformed: /not JSON/,
      }[fault],
    );
  });

  test('stops quietly, and lets the server know, when aborted', async () => {
    const before = serverOf(name).abandoned();
    serverOf(name).next({ parts: ['a', 'b', 'c'], every: 50 });
    const controller = new AbortController();
    const { events } = await ask(name, { signal: controller.signal, onText: () => controller.abort() });
    expect(events).toEqual([{ type: 'text', text: 'a' }]);
    await expect.poll(serverOf(name).abandoned).toBe(before + 1);
    expect((await ask(name, { signal: AbortSignal.abort() })).events).toEqual([]);
  });

  test('lists its models', async () => {
    const models = await chats[name]!.listModels(new AbortController().signal);
    expect(models).toEqual(name === 'gemini' ? ['gemini-2.5-flash'] : ['gpt-4o', 'gpt-4o-mini']);
  });
});

test('a key that is refused is not tried again', async () => {
  const wrong = 'wrong-key';
  chats.wrongOpenai = createOpenAiChat({
    name: 'openai',
    baseUrl: openai.url,
    apiKey: wrong,
    fetch,
    patience,
  });
  chats.wrongGemini = createGeminiChat({ baseUrl: gemini.url, apiKey: wrong, patience });
  for (const name of ['wrongOpenai', 'wrongGemini']) {
    const error = await failureOf(name);
    expect(error).toMatchObject({ retryable: false, kind: 'credentials' });
    expect(error.message).toContain('refuses the API key');
    expect(error.message).not.toContain(wrong);
    const listed = chats[name]!.listModels(new AbortController().signal);
    await expect(listed).rejects.toMatchObject({ kind: 'credentials' });
  }
});

test('an address where nothing listens is worth another try', async () => {
  chats.away = createOpenAiChat({
    name: 'ollama',
    baseUrl: 'http://127.0.0.1:9/v1',
    apiKey,
    fetch,
    patience,
  });
  const error = await failureOf('away');
  expect(error).toMatchObject({ retryable: true, message: expect.stringMatching(/the connection failed/) });
});

test('an account without money waits for minutes', async () => {
  openai.next({
    status: 429,
    body: { error: { message: 'quota', type: 'insufficient_quota', code: 'insufficient_quota' } },
  });
  const error = await failureOf('openai');
  expect(error).toMatchObject({ retryable: true, retryAfterMs: 600_000 });
  expect(error.message).toContain('no quota left');
});

test('an error inside the stream is worth another try', async () => {
  openai.next({ parts: ['We '], fault: 'error event' });
  expect(await failureOf('openai')).toMatchObject({ retryable: true });
});

test('each dialect gets the fields that it knows', async () => {
  for (const name of ['openai', 'ollama']) await ask(name, { tools: true });
  const [first, second] = openai.requests.map(({ body }) => body);
  expect(first).toMatchObject({ max_completion_tokens: 50, temperature: 0.3, stream: true });
  expect(first.tools[0]).toMatchObject({ type: 'function', function: { name: 'sendEmail' } });
  expect(second).toMatchObject({ max_tokens: 50 });
  expect(first).not.toHaveProperty('max_tokens');
  await ask('gemini', { tools: true });
  expect(gemini.requests[0]!.body).toMatchObject({
    systemInstruction: { parts: [{ text: 'Be brief.' }] },
    generationConfig: { maxOutputTokens: 50, temperature: 0.3 },
    tools: [{ functionDeclarations: [{ name: 'sendEmail' }] }],
  });
});

test('the result of a tool goes back to the model', async () => {
  const call = { id: 'call_1', name: 'sendEmail', arguments: { name: 'Ada' } };
  for (const name of ['openai', 'gemini']) {
    for await (const _ of chats[name]!.stream({
      model: 'a-model',
      messages: [
        { role: 'user', text: 'Write to them.' },
        { role: 'tool', call, result: 'sent' },
      ],
      temperature: 0,
      maxOutputTokens: 50,
      tools: [sendEmail],
      signal: new AbortController().signal,
    }));
  }
  expect(openai.requests[0]!.body.messages.slice(1)).toEqual([
    {
      role: 'assistant',
      tool_calls: [
        { id: 'call_1', type: 'function', function: { name: 'sendEmail', arguments: '{"name":"Ada"}' } },
      ],
    },
    { role: 'tool', tool_call_id: 'call_1', content: 'sent' },
  ]);
  expect(gemini.requests[0]!.body.contents.slice(1)).toMatchObject([
    { role: 'model', parts: [{ functionCall: { name: 'sendEmail', args: { name: 'Ada' } } }] },
    { role: 'function', parts: [{ functionResponse: { name: 'sendEmail', response: { result: 'sent' } } }] },
  ]);
});
