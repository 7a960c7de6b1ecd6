import type { ChunkIndex } from '../../stores/elasticsearch/chunk-index.ts';
import type { ChunkRef, DiagnosticsStore } from '../../stores/postgres/diagnostics.ts';
import { count, fail, type Finding, ok } from '../finding.ts';
import { isOrphan, walk } from '../index-difference.ts';

/** Above this many chunks ids are compared only where the counts differ, or when asked to. */
const countsFirst = 200_000;
/** As many of each kind are looked at again and named; the others are only counted. */
const keptOfEach = 1_000;
const named = 5;

interface Options {
  /** Compare every id, however many there are. */
  deep: boolean;
  /** Milliseconds after which a difference is looked at again: Elasticsearch shows what is written a moment later. */
  settleMs: number;
}

/** Whether the index holds what PostgreSQL says should be found: no less, and no more. */
export async function checkIndexContents(
  diagnostics: DiagnosticsStore,
  index: ChunkIndex,
  options: Options,
): Promise<Finding[]> {
  await index.refresh();
  const [live, indexed] = await Promise.all([diagnostics.liveCounts(), index.countByProject()]);
  const total = [...live.values()].reduce((sum, chunks) => sum + chunks, 0);
  const projects = [...new Set([...live.keys(), ...indexed.keys()])].sort();
  const agree = projects.every((id) => live.get(id) === indexed.get(id));
  const counts = `${count(total, 'chunk')} of ${count(live.size, 'project')}`;
  if (agree && total > countsFirst && !options.deep) {
    return [ok('Index contents', `${counts}: the counts agree; ids are compared with --deep`)];
  }
  const { missing, orphans } = await compare(diagnostics, index, options);
  if (missing.total + orphans.total === 0) return [ok('Index contents', `${counts}, each one in the index`)];
  return projects.flatMap((projectId) => [
    ...report(projectId, missing, 'missing from the index', live.get(projectId) ?? 0),
    ...report(projectId, orphans, 'in the index that no published document has', indexed.get(projectId) ?? 0),
  ]);
}

/** What is wrong in each project: how many, and the first of them. */
interface Wrong {
  total: number;
  counts: Map<string, number>;
  kept: ChunkRef[];
}

const nothing = (): Wrong => ({ total: 0, counts: new Map(), kept: [] });

function add(wrong: Wrong, chunk: ChunkRef): void {
  wrong.total += 1;
  wrong.counts.set(chunk.projectId, (wrong.counts.get(chunk.projectId) ?? 0) + 1);
  if (wrong.kept.length < keptOfEach) wrong.kept.push(chunk);
}

async function compare(
  diagnostics: DiagnosticsStore,
  index: ChunkIndex,
  { settleMs }: Options,
): Promise<{ missing: Wrong; orphans: Wrong }> {
  const missing = nothing();
  const unexpected: ChunkRef[] = [];
  const orphans = nothing();
  const sift = async () => {
    const chunks = unexpected.splice(0);
    const states = await diagnostics.states(chunks.map(({ id }) => id));
    for (const chunk of chunks) if (isOrphan(states.get(chunk.id))) add(orphans, chunk);
  };
  for await (const { chunk, is } of walk(diagnostics, index)) {
    if (is === 'missing') add(missing, chunk);
    if (is === 'unexpected' && unexpected.push(chunk) === keptOfEach) await sift();
  }
  await sift();
  // Few enough to look at again: workers went on while the two sides were read.
  if (missing.total + orphans.total === 0) return { missing, orphans };
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  return {
    missing: await still(missing, async (chunks) => {
      const states = await diagnostics.states(chunks.map(({ id }) => id));
      const there = await index.existing(chunks);
      return (id) => states.get(id) === 'live' && !there.has(id);
    }),
    orphans: await still(orphans, async (chunks) => {
      const there = await index.existing(chunks);
      const states = await diagnostics.states(chunks.map(({ id }) => id));
      return (id) => there.has(id) && isOrphan(states.get(id));
    }),
  };
}

/** What is still wrong. Where more are wrong than were kept, all of them count: that is no moment's delay. */
async function still(
  wrong: Wrong,
  look: (chunks: readonly ChunkRef[]) => Promise<(id: string) => boolean>,
): Promise<Wrong> {
  if (wrong.total > wrong.kept.length) return wrong;
  const isWrong = await look(wrong.kept);
  const left = nothing();
  for (const chunk of wrong.kept) if (isWrong(chunk.id)) add(left, chunk);
  return left;
}

function report(projectId: string, wrong: Wrong, what: string, of: number): Finding[] {
  const n = wrong.counts.get(projectId);
  if (!n) return [];
  const ids = wrong.kept.filter((chunk) => chunk.projectId === projectId).map(({ id }) => id);
  const names = ids.slice(0, named).join(', ') + (n > named ? ', …' : '');
  return [
    fail(
      `Index contents of project ${projectId}`,
      `${n.toLocaleString('en')} of ${count(of, 'chunk')} ${what}: ${names}`,
      'Run `frontdesk rebuild-index`',
      { data: { projectId, count: n, of, chunkIds: ids } },
    ),
  ];
}
