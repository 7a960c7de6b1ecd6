// The table at the end of a drill.
import type { Kill, Manner } from './killer.ts';
import type { Ledger, Question } from './ledger.ts';
import { type TargetName, targetNames } from './stack.ts';
import type { Verdict } from './verdict.ts';

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const manners: readonly Manner[] = ['hard', 'soft'];
const signalOf = (kind: TargetName, manner: Manner) =>
  manner === 'hard' ? 'SIGKILL' : kind === 'postgres' ? 'SIGINT' : 'SIGTERM';

export function table(kills: readonly Kill[], ledger: Ledger, verdict: Verdict): string {
  const killRows = [
    ...targetNames.flatMap((kind) =>
      manners.map((manner) => ({
        name: `${kind} ${signalOf(kind, manner)}`,
        kills: kills.filter((kill) => kill.kind === kind && kill.manner === manner),
      })),
    ),
    { name: 'two at once', kills: kills.filter((kill) => !kill.alone) },
  ].map(({ name, kills: chosen }) => {
    // Waits during two kills at once are told in the row of their own.
    const told = name === 'two at once' ? chosen : chosen.filter((kill) => kill.alone);
    const back = chosen.map(({ at, backAt }) => backAt - at);
    return [name, String(chosen.length), longest(back), longest(waitsDuring(ledger.questions, told))];
  });
  const { accepted, turns, failures, sites, leads, lost, twice } = verdict;
  const totals: [string, string | number][] = [
    ['kills', kills.length],
    ['questions asked', ledger.questions.length],
    ['questions accepted', accepted.questions],
    ['turns recorded', sum(turns)],
    ...Object.entries(turns).map(([status, n]): [string, number] => [`  ${status}`, n]),
    ['documents accepted', accepted.documents],
    ['  ready', verdict.documentsReady],
    ['  new versions', accepted.versions],
    ['  deleted', accepted.deletions],
    ['sites crawled twice', sites.crawled],
    ['  their pages', sites.pages],
    ['leads verified', leads.verified],
    ['  mails repeated', leads.repeatedMails],
    ['lost', lost.length],
    ['twice', twice.length],
    ['longest wait of a visitor', longest(waits(ledger.questions))],
  ];
  return [
    ...aligned([['killed', 'kills', 'longest back', 'longest wait'], ...killRows]),
    '',
    ...aligned(totals.map(([name, value]) => [name, String(value)])),
    ...list('Recorded reasons of failed turns', failures),
    ...list('What clients saw meanwhile', ledger.errors),
    ...[...lost.map((what) => `LOST   ${what}`), ...twice.map((what) => `TWICE  ${what}`)].slice(0, 60),
  ].join('\n');
}

const waits = (questions: readonly Question[]) =>
  questions.flatMap(({ askedAt, endedAt }) => (endedAt === undefined ? [] : [endedAt - askedAt]));

/** Of visitors who waited at some moment between a kill and the return of what was killed. */
function waitsDuring(questions: readonly Question[], kills: readonly Kill[]): number[] {
  return waits(
    questions.filter(({ askedAt, endedAt }) =>
      kills.some(({ at, backAt }) => endedAt !== undefined && askedAt < backAt && endedAt > at),
    ),
  );
}

const longest = (times: readonly number[]) => (times.length === 0 ? '-' : seconds(Math.max(...times)));
const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0);

function list(title: string, counts: ReadonlyMap<string, number>): string[] {
  if (counts.size === 0) return [];
  const rows = [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([what, n]) => `${String(n).padStart(6)}  ${what}`);
  return ['', title, ...rows];
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('   '),
  );
}
