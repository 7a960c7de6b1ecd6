// Answers of a language model, checked against their sources. The model is a server that speaks the OpenAI API.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectSettings } from '../domain/projects.ts';
import type { GenerationEvent, GenerationRequest, Passage } from '../providers/generation.ts';
import { createGroundedProvider, type Similarity } from '../providers/grounded.ts';
import { createOpenAiChat } from '../providers/openai/chat.ts';
import type { ModelServer } from './support/model-server.ts';
import { startOpenAiServer } from './support/openai-server.ts';

let server: ModelServer;
beforeAll(async () => {
  server = await startOpenAiServer();
});
afterAll(() => server.close());

const passage = (chunkId: string, title: string, text: string): Passage => ({
  chunkId,
  documentId: chunkId,
  title,
  headingPath: [],
  text,
  startOffset: 0,
  endOffset: text.length,
});
const passages = [
  passage('shipping', 'Shipping', 'Shipping to Norway costs 19 euros. Parcels to Norway take five days.'),
  passage(
    'returns',
    'Returns',
    'Returns are free within 30 days. See https://shop.example/returns for a label.',
  ),
];

async function ask(
  reply: string,
  options: Partial<GenerationRequest> & { similarity?: Similarity; settings?: never; given?: object } = {},
) {
  const { similarity, given = {}, ...request } = options;
  const patience = { firstToken: 5_000, betweenTokens: 5_000 };
  const provider = createGroundedProvider(
    createOpenAiChat({ name: 'openai', baseUrl: server.url, apiKey: 'x', fetch, patience }),
    { similarity },
  );
  server.next({ parts: reply.match(/[\s\S]{1,7}/g) ?? [] });
  const events: GenerationEvent[] = [];
  for await (const event of provider.generate({
    question: 'What does shipping to Norway cost, and are returns free?',
    passages,
    settings: projectSettings.parse({ siteUrl: 'https://shop.example', ...given }),
    signal: new AbortController().signal,
    ...request,
  })) {
    events.push(event);
  }
  const finish = events.at(-1);
  if (finish?.type !== 'finish') throw new Error('no finish');
  return { finish, text: events.map((event) => (event.type === 'token' ? event.text : '')).join('') };
}

test('markers count up in the order of the answer, one for each quote', async () => {
  const { text, finish } = await ask(
    'Returns are free within 30 days [2]. Shipping to Norway costs 19 euros [1], and parcels to Norway take five days [1]. Returns are free [2].',
  );
  expect(text).toBe(
    'Returns are free within 30 days [1]. Shipping to Norway costs 19 euros [2], and parcels to Norway take five days [2]. Returns are free [1].',
  );
  expect(finish.citations).toEqual([
    { chunkId: 'returns', quote: 'Returns are free within 30 days.' },
    { chunkId: 'shipping', quote: 'Shipping to Norway costs 19 euros.' },
  ]);
  expect(finish).toMatchObject({ outcome: 'answered', confidence: 1 });
});

test('a marker that its source does not carry goes, and confidence with it', async () => {
  const { text, finish } = await ask(
    'Shipping to Norway costs 19 euros [1]. Our founder loved the sea and its lighthouses [2].',
  );
  expect(text).toBe('Shipping to Norway costs 19 euros [1]. Our founder loved the sea and its lighthouses.');
  expect(finish.citations).toHaveLength(1);
  expect(finish.confidence).toBeGreaterThan(0.4);
  expect(finish.confidence).toBeLessThan(0.6);
  const strict = await ask(
    'Shipping to Norway costs 19 euros [1]. Our founder loved the sea and ships [2].',
    {
      given: { confidenceThreshold: 0.9 },
    },
  );
  expect(strict.finish).toMatchObject({ outcome: 'declined', citations: [] });
});

test('an answer without markers has its sources found', async () => {
  const { text, finish } = await ask('Shipping to Norway costs 19 euros.');
  expect(text).toBe('Shipping to Norway costs 19 euros.');
  expect(finish).toMatchObject({ outcome: 'answered', citations: [{ chunkId: 'shipping' }] });
});

test('in another language the meaning counts, and the numbers still must agree', async () => {
  const asked: string[] = [];
  const similarity: Similarity = async (claim) => {
    asked.push(claim);
    return 0;
  };
  const right = await ask('Der Versand nach Norwegen kostet 19 Euro [1].', { similarity });
  expect(right.finish.citations).toEqual([
    { chunkId: 'shipping', quote: 'Shipping to Norway costs 19 euros.' },
  ]);
  const wrong = await ask('Der Versand nach Norwegen kostet 29 Euro [1].', { similarity });
  expect(wrong.finish).toMatchObject({ outcome: 'declined', citations: [] });
  expect(asked).toEqual(['Der Versand nach Norwegen kostet 19 Euro']);
  const away: Similarity = async () => {
    throw new Error('the embeddings are away');
  };
  expect(
    (await ask('Der Versand nach Norwegen kostet 19 Euro [1].', { similarity: away })).finish.outcome,
  ).toBe('declined');
});

test('links of the site and of the sources stay, with nothing added', async () => {
  const { text } = await ask(
    'Returns are free within 30 days, see https://shop.example/returns [2] or [here](https://shop.example/returns?from=19) or https://shop.example/.',
  );
  expect(text).toContain('https://shop.example/returns [1]');
  expect(text).toContain('or here or');
  expect(text).toContain('https://shop.example/.');
});

test('a tool call is handed on, and its result carries the answer', async () => {
  const tool = { name: 'orderStatus', description: 'Where an order is.', parameters: { type: 'object' } };
  const call = { id: 'call_abc', name: 'orderStatus', arguments: { order: 'A-17' } };
  server.next({ tool: { name: call.name, arguments: call.arguments } });
  const patience = { firstToken: 5_000, betweenTokens: 5_000 };
  const provider = createGroundedProvider(
    createOpenAiChat({ name: 'openai', baseUrl: server.url, apiKey: 'x', fetch, patience }),
  );
  const events: GenerationEvent[] = [];
  const settings = projectSettings.parse({});
  const { signal } = new AbortController();
  const request = { question: 'Where is order A-17?', passages: [], settings, signal, tools: [tool] };
  for await (const event of provider.generate(request)) events.push(event);
  expect(events).toMatchObject([
    { type: 'tool_call', ...call },
    { type: 'finish', outcome: 'answered' },
  ]);
  const { finish } = await ask('Your order A-17 left our warehouse on Monday.', {
    passages: [],
    tools: [tool],
    toolResults: [{ call, result: 'Order A-17: left the warehouse on Monday.' }],
  });
  expect(finish).toMatchObject({ outcome: 'answered', confidence: 1, citations: [] });
});
