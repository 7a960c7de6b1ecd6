import type { Progress } from './rebuild-index.ts';

/** A terminal's line is written over; a log gets a line now and then. */
const every = { terminal: 100, log: 5_000 };

/** Shows done of total and the rate. The clock is passed in; `finish` leaves the last state standing. */
export function progressLine(
  out: Pick<NodeJS.WriteStream, 'write' | 'isTTY'>,
  now: () => number,
  what = 'chunks',
): { show: (progress: Progress) => void; finish: () => void } {
  const began = now();
  const pause = out.isTTY ? every.terminal : every.log;
  let last: Progress | undefined;
  let shownAt = began;
  const write = ({ done, total }: Progress) => {
    const rate = Math.round((done / Math.max(1, now() - began)) * 1000);
    const percent = total === 0 ? 100 : Math.min(100, Math.floor((done / total) * 100));
    const text = `${done.toLocaleString('en')} of ${total.toLocaleString('en')} ${what} (${percent} %), ${rate.toLocaleString('en')} a second`;
    out.write(out.isTTY ? `\r${bar(percent)} ${text}\u001b[K` : `${text}\n`);
  };
  return {
    show(progress) {
      last = progress;
      if (now() - shownAt < pause) return;
      shownAt = now();
      write(progress);
    },
    finish() {
      if (last) write(last);
      if (last && out.isTTY) out.write('\n');
    },
  };
}

const width = 24;
function bar(percent: number): string {
  const full = Math.round((percent / 100) * width);
  return `[${'█'.repeat(full)}${' '.repeat(width - full)}]`;
}
