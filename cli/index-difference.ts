// Walks PostgreSQL's live chunks and Elasticsearch's chunks side by side, both in the order of their ids, so that any
// number of chunks is compared in the memory of two pages.
import type { ChunkIndex } from '../stores/elasticsearch/chunk-index.ts';
import {
  beforeAllChunks,
  type ChunkRef,
  type ChunkState,
  type DiagnosticsStore,
} from '../stores/postgres/diagnostics.ts';

/** `missing`: not in the index. `unexpected`: in the index and of no published version; it may be on its way. */
export type Walked = { chunk: ChunkRef; is: 'indexed' | 'missing' | 'unexpected' };

const pageSize = 5_000;

/** Every chunk of either side. What changes meanwhile may be told wrongly: look again before acting on one. */
export async function* walk(
  diagnostics: Pick<DiagnosticsStore, 'live'>,
  index: Pick<ChunkIndex, 'scan'>,
): AsyncGenerator<Walked> {
  const live = inOrder((after) => diagnostics.live(after ?? beforeAllChunks, pageSize));
  const indexed = inOrder((after) => index.scan(after, pageSize));
  let [left, right] = await Promise.all([live.next(), indexed.next()]);
  while (!left.done || !right.done) {
    if (right.done || (!left.done && left.value.id < right.value.id)) {
      yield { chunk: left.value!, is: 'missing' };
      left = await live.next();
    } else if (left.done || right.value.id < left.value.id) {
      yield { chunk: right.value, is: 'unexpected' };
      right = await indexed.next();
    } else {
      yield { chunk: left.value, is: 'indexed' };
      [left, right] = await Promise.all([live.next(), indexed.next()]);
    }
  }
}

async function* inOrder(
  read: (after: string | undefined) => Promise<ChunkRef[]>,
): AsyncGenerator<ChunkRef, undefined> {
  let page = await read(undefined);
  for (;;) {
    yield* page;
    const last = page.at(-1);
    if (!last || page.length < pageSize) return;
    page = await read(last.id);
  }
}

/**
 * A chunk in the index that may go: no version has it, or one that is not published and will not be. One whose
 * version is being ingested has its row before it is in the index, and is left alone.
 */
export const isOrphan = (state: ChunkState | undefined): boolean =>
  state === undefined || state === 'retired';
