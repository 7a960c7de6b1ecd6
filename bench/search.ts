// Search at size: one project with many chunks among a hundred others, and whether neighbours change what a project
// finds. Usage: node bench/search.ts FILE [--chunks 50000]    FILE: as for bench/retrieval.ts
import { parseArgs } from 'node:util';
import { createApiClient } from '../test/support/api-client.ts';
import { onFreshServers } from './support/environment.ts';
import { fillProject } from './support/filler.ts';
import { questions as helpQuestions } from './support/help-centre.ts';
import { ingestDataSet, qualityOf, readDataSet } from './support/data-set.ts';
import { percentile, round } from './support/statistics.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { chunks: { type: 'string', default: '50000' } },
});
const chunksPerDocument = 100;
const neighbours = 99;
const chunksOfNeighbour = 500;

await onFreshServers('search', async (environment) => {
  const data = await readDataSet(positionals[0]);
  const small = await environment.createProject();
  const [api, worker] = await Promise.all([environment.startApi(), environment.startWorker()]);
  const client = createApiClient(api.url, small.key);
  const idOf = await ingestDataSet(client, data);
  const before = await qualityOf(client, data, idOf);
  worker.kill('SIGTERM');

  const large = await environment.createProject();
  console.error(`Filling in ${values.chunks} chunks of one project and ${neighbours} neighbours`);
  await fillProject(environment, large.id, {
    documents: Number(values.chunks) / chunksPerDocument,
    chunksPerDocument,
  });
  for (let n = 0; n < neighbours; n++) {
    const { id } = await environment.createProject();
    await fillProject(environment, id, {
      documents: chunksOfNeighbour / chunksPerDocument,
      chunksPerDocument,
    });
  }
  const after = await qualityOf(client, data, idOf);
  console.log('Quality of one project, alone and with its neighbours');
  for (const leg of ['BM25', 'dense', 'hybrid'] as const) {
    console.table({ [`${leg}, alone`]: before[leg], [`${leg}, with neighbours`]: after[leg] });
  }

  const times: Record<string, number[]> = { 'small project': [], 'large project': [] };
  for (const [name, key] of [
    ['small project', small.key],
    ['large project', large.key],
  ] as const) {
    const search = createApiClient(api.url, key);
    for (let n = 0; n < 250; n++) {
      const query = `${helpQuestions[n % helpQuestions.length]} ${n}`;
      const began = performance.now();
      const { status, text } = await search.call('POST', '/retrieval/search', { query, limit: 10 });
      if (status !== 200) throw new Error(text);
      if (n >= 50) times[name]!.push(performance.now() - began);
    }
  }
  console.log(`POST /retrieval/search (ms); the large project has ${values.chunks} chunks`);
  console.table(
    Object.fromEntries(
      Object.entries(times).map(([name, list]) => [
        name,
        { p50: round(percentile(list, 0.5), 1), p95: round(percentile(list, 0.95), 1) },
      ]),
    ),
  );
});
