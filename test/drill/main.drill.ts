// npm run drill -- [--kills 100] [--seed N] [--visitors 6] [--integrators 2] [--bulk 200] [--contacts 2] [--crawlers 1]
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../../config.ts';
import { runDrill } from './drill.ts';
import { table } from './report.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(randomInt(1_000_000)) },
    visitors: { type: 'string', default: '6' },
    integrators: { type: 'string', default: '2' },
    bulk: { type: 'string', default: '200' },
    contacts: { type: 'string', default: '2' },
    crawlers: { type: 'string', default: '1' },
  },
});

const logFolder = join(readConfig().FRONTDESK_HOME, 'drill-logs');
const { kills, ledger, verdict } = await runDrill('drill', {
  kills: Number(values.kills),
  seed: Number(values.seed),
  visitors: Number(values.visitors),
  integrators: Number(values.integrators),
  bulk: { size: Number(values.bulk), batches: Number.POSITIVE_INFINITY },
  contacts: Number(values.contacts),
  crawlers: Number(values.crawlers),
  logFolder,
  say: (line) => console.log(line),
});
console.log(`\nSeed ${values.seed}, logs in ${logFolder}\n\n${table(kills, ledger, verdict)}`);
process.exit(verdict.lost.length + verdict.twice.length > 0 ? 1 : 0);
