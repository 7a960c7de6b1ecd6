import type { estypes } from '@elastic/elasticsearch';
import { searchedFields } from './queries.ts';

// All projects share an index, and BM25 weighs a word by how rare it is in the whole of it: what neighbours write would
// change what a project finds, and tell something of them. So each word is weighed by how rare it is in its own
// project, by a boost that replaces one weight by the other.

/** A word of a question as the index has it, with what its score is multiplied by. */
export interface WeighedWord {
  word: string;
  boost: number;
}

/** A word as it occurs in the whole index, and in the question. */
export interface IndexWord {
  word: string;
  /** Chunks with the word. */
  frequency: number;
  timesAsked: number;
}

/** Asks how Elasticsearch takes a text apart, and in how many chunks of all projects each word is. */
export const wordsRequest = (text: string) => ({
  doc: Object.fromEntries(searchedFields.map((field) => [field, text])),
  fields: [...searchedFields],
  term_statistics: true,
  field_statistics: true,
  positions: false,
  offsets: false,
});

/** The words that occur in any project, and how many chunks there are. */
export function wordsFrom({ term_vectors: vectors = {} }: estypes.TermvectorsResponse): {
  chunks: number;
  words: IndexWord[];
} {
  const words = new Map<string, IndexWord>();
  for (const { terms } of Object.values(vectors)) {
    for (const [word, { doc_freq: frequency = 0, term_freq: timesAsked }] of Object.entries(terms)) {
      // Of several fields the highest counts: so does `cross_fields`.
      if (frequency > (words.get(word)?.frequency ?? 0)) words.set(word, { word, frequency, timesAsked });
    }
  }
  return { chunks: vectors.text?.field_statistics?.doc_count ?? 0, words: [...words.values()] };
}

/** Asks in how many chunks of a project each word is. */
export function frequenciesRequest(
  filter: estypes.QueryDslQueryContainer[],
  words: readonly IndexWord[],
): estypes.SearchSearchRequestBody {
  const anywhere = (word: string): estypes.QueryDslQueryContainer => ({
    bool: { should: searchedFields.map((field) => ({ term: { [field]: word } })) },
  });
  return {
    size: 0,
    track_total_hits: true,
    query: { bool: { filter } },
    aggregations: { words: { filters: { filters: words.map(({ word }) => anywhere(word)) } } },
  };
}

/** The words that the project has; `own` are their frequencies there, in the same order. */
export function weigh(
  all: { chunks: number; words: readonly IndexWord[] },
  own: { chunks: number; frequencies: readonly number[] },
): WeighedWord[] {
  return all.words.flatMap(({ word, frequency, timesAsked }, n) => {
    const ownFrequency = own.frequencies[n]!;
    if (ownFrequency === 0) return [];
    const boost = rarity(own.chunks, ownFrequency) / rarity(all.chunks, frequency);
    return [{ word, boost: timesAsked * boost }];
  });
}

/**
 * The inverse document frequency as Lucene's BM25Similarity has it: ln(1 + (N − n + ½) / (n + ½)). `frequency` can be
 * above `chunks` where a word is in a title of a chunk that was deleted a moment ago.
 */
const rarity = (chunks: number, frequency: number): number =>
  Math.log(1 + (Math.max(chunks - frequency, 0) + 0.5) / (frequency + 0.5));
