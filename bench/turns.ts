// Chat turns: what durability costs, and how many turns two cores carry. One run, everything side by side.
// Usage: node bench/turns.ts [--warm-up 60] [--seconds 30] [--sustain 300] [--rate 15] [--provider local|openai]
// With openai the model is a server in this process that speaks its protocol and answers with the first source's first
// sentence, a word every few milliseconds.

import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Config, readConfig } from '../config.ts';
import { passagesPerTurn } from '../domain/chat.ts';
import { claimsOf } from '../domain/grounding.ts';
import { projectSettings } from '../domain/projects.ts';
import { providersFrom } from '../providers/from-config.ts';
import { createLocalEmbedder } from '../providers/local/embedder.ts';
import { withQueryCache } from '../providers/query-cache.ts';
import { createRetriever } from '../retrieval/retriever.ts';
import { createSpaces } from '../retrieval/spaces.ts';
import { createApiClient } from '../test/support/api-client.ts';
import type { TestEnvironment } from '../test/support/environment.ts';
import { startOpenAiServer } from '../test/support/openai-server.ts';
import { cpuSeconds } from './support/cpu.ts';
import { onFreshServers } from './support/environment.ts';
import { ingestHelpCentre, question, questions } from './support/help-centre.ts';
import { percentile, round } from './support/statistics.ts';
import { stepsOf } from './support/turn-steps.ts';

const { values } = parseArgs({
  options: {
    'warm-up': { type: 'string', default: '60' },
    seconds: { type: 'string', default: '30' },
    sustain: { type: 'string', default: '300' },
    rate: { type: 'string', default: '15' },
    provider: { type: 'string', default: 'local' },
  },
});
const levels = [1, 8, 32, 60];

interface Timing {
  turnId: string;
  /** Milliseconds from the call. */
  firstByte: number;
  firstToken: number;
  done: number;
}

await onFreshServers('turns', async (environment, servers) => {
  const model = await startModel();
  const settings = projectSettings.parse({ provider: values.provider, embeddingProvider: 'local' });
  const project = await environment.createProject(settings);
  const env = { OPENAI_BASE_URL: model.url, OPENAI_API_KEY: 'bench' };
  const [api, worker] = await Promise.all([environment.startApi(env), environment.startWorker(env)]);
  const client = createApiClient(api.url, project.key);
  await ingestHelpCentre(client);
  const pids = { api: api.pid, worker: worker.pid, ...servers };
  const ask = (n: number) => timedTurn(client, question(n));
  const direct = await createDirectCall(environment, project.id, readConfig({ ...environment.env, ...env }));

  // In the first minute an eighth of the machine's time goes to the compilers of Elasticsearch's and Node's virtual machines.
  await closedLoop(8, Number(values['warm-up']) * 1000, ask, pids);
  for (let n = 0; n < 3 * questions.length; n++) await direct.firstToken(question(n));

  console.log(
    '\nFirst token: a durable turn over HTTP beside a direct call of the same retrieval and generation (ms)',
  );
  const pairs: { turn: Timing; direct: number }[] = [];
  for (let n = 0; n < 200; n++) {
    pairs.push({ direct: await direct.firstToken(question(n)), turn: await ask(n) });
  }
  const row = (list: number[]) => ({
    p50: round(percentile(list, 0.5), 1),
    p95: round(percentile(list, 0.95), 1),
  });
  console.table({
    'direct call': row(pairs.map((pair) => pair.direct)),
    'durable turn': row(pairs.map((pair) => pair.turn.firstToken)),
    'turn over direct, pair by pair': row(pairs.map((pair) => pair.turn.firstToken - pair.direct)),
  });
  await direct.close();

  console.log('\nWhere the time of an idle turn goes (ms, median of 50, from the database and the history)');
  console.table(
    await stepsOf(
      environment,
      pairs.slice(-50).map((pair) => pair.turn.turnId),
    ),
  );

  console.log(`\nTurns at once, ${values.seconds} s each; CPU in ms per turn`);
  const table: Record<string, object> = {};
  for (const level of levels)
    table[`${level} at once`] = await closedLoop(level, Number(values.seconds) * 1000, ask, pids);
  console.table(table);

  if (Number(values.sustain) > 0) {
    console.log(`\n${values.rate} turns a second for ${values.sustain} s`);
    console.table([await openLoop(Number(values.rate), Number(values.sustain), ask)]);
    for (const { output } of [api, worker]) console.error(errorsIn(output()).slice(-3).join('\n'));
  }
  await model.close();
});

/** What a process has logged as an error, one line each. */
function errorsIn(log: string): string[] {
  return log.split('\n').filter((line) => line.includes('"level":50'));
}

async function startModel() {
  const model = await startOpenAiServer();
  model.otherwise((body) => {
    const prompt: string = body.messages.at(-1).content;
    const source = /number="1">\n[^\n]*\n([\s\S]*?)\n<\/source/.exec(prompt)?.[1] ?? 'Nothing.';
    const [sentence] = claimsOf(source);
    return { parts: `${sentence?.text ?? source} [1]`.match(/\S+\s*/g) ?? [], every: 5 };
  });
  return model;
}

async function timedTurn(client: ReturnType<typeof createApiClient>, message: string): Promise<Timing> {
  const began = performance.now();
  const timing: Timing = { turnId: '', firstByte: 0, firstToken: 0, done: 0 };
  const since = () => performance.now() - began;
  await client.stream('/v1/chat/turns', { message }, (line) => {
    timing.turnId = line.turnId;
    timing.firstByte ||= since();
    if (line.type === 'token') timing.firstToken ||= since();
    if (line.type === 'error') throw new Error(`${line.turnId}: ${line.message}`);
    if (line.type === 'done') {
      timing.done = since();
      // A declined turn has no tokens: its reply is the first text.
      timing.firstToken ||= timing.done;
    }
  });
  if (timing.done === 0) throw new Error(`${timing.turnId} ended without a terminal frame`);
  return timing;
}

/** The same work without workflows, queues or a network between the parts. */
async function createDirectCall(environment: TestEnvironment, projectId: string, config: Config) {
  const { stores } = environment;
  const embedder = createLocalEmbedder({ modelDir: config.embeddingModelDir, threads: 2 });
  const providers = providersFrom(config, withQueryCache(embedder));
  const spaces = createSpaces({
    client: environment.elasticsearch,
    prefix: environment.indexPrefix,
    providers,
    projects: stores.projects,
  });
  const retriever = createRetriever({ spaces, chunks: stores.chunks });
  const access = (await stores.projects.access(projectId))!;
  const space = await spaces.of(access);
  return {
    async firstToken(question: string): Promise<number> {
      const began = performance.now();
      const passages = await retriever.search(projectId, { text: question, limit: passagesPerTurn, space });
      const { signal } = new AbortController();
      const provider = providers.generation(access.settings.provider, access, undefined);
      const request = { question, passages, settings: access.settings, signal };
      for await (const _ of provider.generate(request)) break;
      return performance.now() - began;
    },
    close: () => embedder.close(),
  };
}

/** `level` visitors who ask again as soon as they have their answer. */
async function closedLoop(
  level: number,
  ms: number,
  ask: (n: number) => Promise<Timing>,
  pids: Record<string, number>,
): Promise<object> {
  const before = await cpuSeconds(pids);
  const began = performance.now();
  const timings: Timing[] = [];
  let n = 0;
  const visitor = async () => {
    while (performance.now() - began < ms) timings.push(await ask(n++));
  };
  await Promise.all(Array.from({ length: level }, visitor));
  const seconds = (performance.now() - began) / 1000;
  const after = await cpuSeconds(pids);
  const cpu = Object.keys(pids).map((name) => [
    `cpu ${name}`,
    round(((after[name]! - before[name]!) * 1000) / timings.length, 1),
  ]);
  return { 'turns/s': round(timings.length / seconds, 1), ...summary(timings), ...Object.fromEntries(cpu) };
}

/** Visitors who arrive at a fixed rate, however long the others wait. */
async function openLoop(rate: number, seconds: number, ask: (n: number) => Promise<Timing>): Promise<object> {
  const began = performance.now();
  const asked: Promise<Timing | undefined>[] = [];
  let lost = 0;
  for (let n = 0; n < rate * seconds; n++) {
    await setTimeout(Math.max(0, began + (n * 1000) / rate - performance.now()));
    asked.push(
      ask(n).catch((error: Error) => {
        lost += 1;
        console.error(error.message);
        return undefined;
      }),
    );
  }
  const timings = (await Promise.all(asked)).filter((timing) => timing !== undefined);
  return { turns: asked.length, lost, ...summary(timings) };
}

function summary(timings: readonly Timing[]): object {
  const at = (field: 'firstByte' | 'firstToken' | 'done', share: number) =>
    round(
      percentile(
        timings.map((timing) => timing[field]),
        share,
      ),
    );
  return {
    'first byte p95': at('firstByte', 0.95),
    'first token p50': at('firstToken', 0.5),
    'first token p95': at('firstToken', 0.95),
    'done p95': at('done', 0.95),
  };
}
