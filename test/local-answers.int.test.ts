// The local answerer over the real embedder: what it quotes, and what it declines.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../config.ts';
import { chunkText } from '../domain/chunking.ts';
import { projectSettings } from '../domain/projects.ts';
import type { EmbeddingProvider } from '../providers/embedding.ts';
import type { GenerationEvent, Passage } from '../providers/generation.ts';
import { createLocalEmbedder } from '../providers/local/embedder.ts';
import { createExtractiveProvider } from '../providers/local/extractive.ts';

const articles = {
  Warranty: 'The Brandel mt3k lamp has a warranty of 37 months. All other lamps have 24 months.',
  Shipping: `# Shipping
Orders placed before 15:00 leave the same day.

| Destination | Price | Time |
|---|---|---|
| Netherlands | €4.50 | 1 day |
| Germany | €7.90 | 2–3 days |`,
  'Visit us': `# Visit us
Opening hours:

- **Monday to Friday**: 9:00–18:00
- **Saturday**: 10:00–16:00
- **Sunday**: closed`,
  FAQ: '**Do you offer gift cards?** Yes, from €10 to €250. They never expire.',
};
const passages: Passage[] = Object.entries(articles).flatMap(([title, source]) =>
  chunkText(source).map((chunk) => ({
    ...chunk,
    title,
    documentId: title,
    chunkId: `${title}/${chunk.ordinal}`,
  })),
);

let embeddings: EmbeddingProvider;
beforeAll(() => {
  embeddings = createLocalEmbedder({ modelDir: readConfig().embeddingModelDir, threads: 1 });
});
afterAll(() => embeddings.close());

async function ask(question: string, from = passages, signal = new AbortController().signal) {
  const settings = projectSettings.parse({});
  const events: GenerationEvent[] = [];
  const provider = createExtractiveProvider({ embeddings });
  for await (const event of provider.generate({ question, passages: from, settings, signal }))
    events.push(event);
  const answer = events.map((event) => (event.type === 'token' ? event.text : '')).join('');
  return { answer, tokens: events.length - 1, finish: events.at(-1) };
}

test('quotes the sentence, streamed word by word, with a verbatim citation', async () => {
  const { answer, tokens, finish } = await ask('How long is the warranty of the Brandel mt3k lamp?');
  expect(answer).toBe('The Brandel mt3k lamp has a warranty of 37 months.');
  expect(tokens).toBe(10);
  expect(finish).toMatchObject({
    type: 'finish',
    outcome: 'answered',
    citations: [{ chunkId: 'Warranty/0', quote: 'The Brandel mt3k lamp has a warranty of 37 months.' }],
    usage: { completionTokens: 10 },
  });
  const alone = await ask('How long is the warranty of the Brandel mt3k lamp?', passages.slice(0, 1));
  expect(alone.answer).toContain('37 months');
});

test('reads rows with their header, lists as a whole or by item, and the answer below a question', async () => {
  expect((await ask('How much is shipping to Germany?')).answer).toBe(
    'Destination: Germany, Price: €7.90, Time: 2–3 days',
  );
  expect((await ask('What are your opening hours?')).answer).toBe(
    'Monday to Friday: 9:00–18:00\nSaturday: 10:00–16:00\nSunday: closed',
  );
  const gift = await ask('Do you have gift cards?');
  expect(gift.answer).toMatch(/^Yes, from €10 to €250\./);
  for (const question of [
    'How much is shipping to Germany?',
    'What are your opening hours?',
    'Do you have gift cards?',
  ]) {
    const { finish } = await ask(question);
    if (finish?.type !== 'finish') throw new Error('no finish');
    expect(finish.citations.length).toBeGreaterThan(0);
    for (const { chunkId, quote } of finish.citations) {
      expect(passages.find((passage) => passage.chunkId === chunkId)?.text).toContain(quote);
    }
  }
});

test.each([
  'Hello',
  'thanks!',
  '?',
  ' ',
  'What is the capital of France?',
  'tell me a joke',
  'do i need a visa for japan',
])('declines %j', async (question) => {
  const { answer, finish } = await ask(question);
  expect(answer).toBe('');
  expect(finish).toMatchObject({ outcome: 'declined', citations: [] });
});

test('is surer of an answer than of what it declines, and declines without passages', async () => {
  const [sure, unsure, none] = await Promise.all([
    ask('What warranty does the Brandel mt3k have?'),
    ask('Who won the world cup in 2018?'),
    ask('How long is the warranty?', []),
  ]);
  const confidences = [sure, unsure, none].map(
    ({ finish }) => finish?.type === 'finish' && finish.confidence,
  );
  expect(confidences[0]).toBeGreaterThan(0.5);
  expect(confidences[1]).toBeLessThan(0.2);
  expect(none.finish).toMatchObject({ outcome: 'declined', confidence: 0 });
});

test('stops quietly when aborted', async () => {
  const { finish, tokens } = await ask('How long is the warranty?', passages, AbortSignal.abort());
  expect(finish).toBeUndefined();
  expect(tokens).toBe(-1);
});
