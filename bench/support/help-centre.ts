import { readdir, readFile } from 'node:fs/promises';
import type { createApiClient } from '../../test/support/api-client.ts';
import { inLetterCase } from '../../test/support/letter-case.ts';

const folder = new URL('../../infra/demo/help-centre/', import.meta.url);

/** Ingests the demo's articles through the API. */
export async function ingestHelpCentre(api: ReturnType<typeof createApiClient>): Promise<void> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.md'));
  const ids = await Promise.all(
    files.map(async (name) => api.upload(await readFile(new URL(name, folder), 'utf8'))),
  );
  await Promise.all(ids.map((id) => api.ready(id, 120_000)));
}

/** Questions that it answers. */
export const questions = [
  'What are your opening hours?',
  'What do you sell?',
  'How much is shipping?',
  'Do you ship to Norway?',
  'Can I return a lamp?',
  'How long is the warranty?',
  'How do I reset my password?',
  'Which payment methods do you accept?',
  'How do I clean a lampshade?',
  'How long is a gift card valid?',
  'Can I change my order?',
  'Where can I get spare parts?',
];

let asked = 0;

/** The n-th question, never the same text twice, or a cache would be measured. */
export const question = (n: number): string => inLetterCase(questions[n % questions.length]!, asked++);
