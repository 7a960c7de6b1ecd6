// What an export of many leads costs the API in memory, for a reader that takes all it gets and one that is slow. The
// API's heap is smaller than what is exported, so that one which held it all would die.
// Usage: node bench/lead-export.ts [--leads 100000]
import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { onFreshServers } from './support/environment.ts';
import { round } from './support/statistics.ts';

const { values } = parseArgs({ options: { leads: { type: 'string', default: '100000' } } });
const megabyte = 1024 * 1024;
const heapMb = 160;

/** Resident memory of a process (Linux). */
async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) / 1024;
}

await onFreshServers('lead-export', async (environment) => {
  const project = await environment.createProject();
  const limits = { RATE_LIMIT_MAX_REQUESTS: '1000000', NODE_OPTIONS: `--max-old-space-size=${heapMb}` };
  const api = await environment.startApi(limits);

  async function read(query: string, pauseMs: number): Promise<{ bytes: number; lines: number }> {
    const response = await fetch(`${api.url}/leads/export?${query}`, {
      headers: { 'x-api-key': project.key },
    });
    if (!response.ok) throw new Error(await response.text());
    let [bytes, lines, next] = [0, 0, megabyte];
    for await (const part of response.body!) {
      bytes += part.byteLength;
      for (const byte of part) if (byte === 10) lines += 1;
      if (pauseMs > 0 && bytes > next) {
        next += megabyte;
        await setTimeout(pauseMs);
      }
    }
    return { bytes, lines };
  }

  async function measured(query: string, pauseMs = 0) {
    const before = await residentMb(api.pid);
    let peak = before;
    let ended = false;
    const watch = (async () => {
      while (!ended) {
        peak = Math.max(peak, await residentMb(api.pid));
        await setTimeout(20);
      }
    })();
    const began = performance.now();
    const { bytes, lines } = await read(query, pauseMs);
    const seconds = (performance.now() - began) / 1_000;
    ended = true;
    await watch;
    return {
      lines,
      MB: round(bytes / megabyte),
      seconds: round(seconds, 1),
      'memory before, MB': round(before),
      'at its peak': round(peak),
    };
  }

  const fill = async (leads: number) => {
    await environment.sql`delete from leads`;
    await environment.sql`
      insert into leads (id, project_id, email, name, fields, language)
      select gen_random_uuid(), ${project.id}, 'visitor-' || n || '@visitors.example', 'Visitor Number ' || n,
        jsonb_build_object('company', 'Company ' || n, 'note', repeat('words ', 30)), 'en'
      from generate_series(1, ${leads}) as n`;
    await environment.sql`analyze leads`;
  };
  const rows: Record<string, object> = {};
  await fill(1_000);
  // The process has its usual size only after some work.
  for (let n = 0; n < 20; n += 1) await read('format=json', 0);
  rows['1000 leads, JSON'] = await measured('format=json');
  const leads = Number(values.leads);
  await fill(leads);
  rows[`${leads} leads, JSON`] = await measured('format=json');
  rows[`${leads} leads, CSV`] = await measured('format=csv');
  rows[`${leads} leads, CSV, a slow reader`] = await measured('format=csv', 500);
  await fill(leads * 4);
  rows[`${leads * 4} leads, JSON`] = await measured('format=json');
  console.table(rows);
});
