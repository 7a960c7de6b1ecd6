// Quality of retrieval through the HTTP API: recall@3, MRR and nDCG@10 of BM25, dense vectors and both fused, and with the
// local reranker after that (`npm run download -- reranker`).
// Usage: node bench/retrieval.ts FILE    FILE: {docs: [{id, title, text}], questions: [{question, relevant: [id]}]}
import { createApiClient } from '../test/support/api-client.ts';
import { ingestDataSet, qualityOf, readDataSet, rerankedQualityOf } from './support/data-set.ts';
import { onFreshServers } from './support/environment.ts';

const data = await readDataSet(process.argv[2]);

await onFreshServers('retrieval', async (environment) => {
  const project = await environment.createProject();
  const [api] = await Promise.all([environment.startApi(), environment.startWorker()]);
  const client = createApiClient(api.url, project.key);

  const began = performance.now();
  const idOf = await ingestDataSet(client, data);
  console.log(
    `${data.docs.length} documents ready after ${((performance.now() - began) / 1000).toFixed(1)} s`,
  );
  console.log(`${data.questions.length} questions`);
  const quality = await qualityOf(client, data, idOf);
  await environment.sql`update projects set settings = settings || '{"reranker": "local"}' where id = ${project.id}`;
  console.table({ ...quality, 'hybrid, reranked': await rerankedQualityOf(client, data, idOf) });
});
