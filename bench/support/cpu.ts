import { readdir, readFile } from 'node:fs/promises';

/** USER_HZ: the unit of CPU times in /proc on every Linux that Node.js supports. */
const ticksPerSecond = 100;

/** CPU seconds that these processes and all their descendants have used so far (Linux). */
export async function cpuSeconds(pids: Readonly<Record<string, number>>): Promise<Record<string, number>> {
  const stats = new Map<number, { parent: number; ticks: number }>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => undefined);
    if (stat === undefined) continue;
    // After the command's name, which may contain spaces: state, parent, …; user and system time are the 12th and 13th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    stats.set(Number(name), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
  }
  const within = (pid: number, root: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = stats.get(at)?.parent) {
      if (at === root) return true;
    }
    return false;
  };
  return Object.fromEntries(
    Object.entries(pids).map(([name, root]) => {
      const own = [...stats].filter(([pid]) => within(pid, root));
      return [name, own.reduce((sum, [, { ticks }]) => sum + ticks, 0) / ticksPerSecond];
    }),
  );
}
