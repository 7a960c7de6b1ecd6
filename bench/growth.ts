// Whether a turn costs the same in a long conversation and in a large project.
// Usage: node bench/growth.ts [--messages 10000] [--documents 10000]
import { parseArgs } from 'node:util';
import { createApiClient } from '../test/support/api-client.ts';
import type { TestEnvironment, TestProject } from '../test/support/environment.ts';
import { newId } from '../stores/postgres/ids.ts';
import { onFreshServers } from './support/environment.ts';
import { fillProject } from './support/filler.ts';
import { ingestHelpCentre, question } from './support/help-centre.ts';
import { percentile, round } from './support/statistics.ts';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '10000' },
    documents: { type: 'string', default: '10000' },
  },
});
const turns = 60;

await onFreshServers('growth', async (environment) => {
  const [small, large] = [await environment.createProject(), await environment.createProject()];
  const [api] = await Promise.all([environment.startApi(), environment.startWorker()]);
  const visitors = [small, large].map(({ key }) => createApiClient(api.url, key));
  for (const visitor of visitors) await ingestHelpCentre(visitor);
  await fillProject(environment, large.id, { documents: Number(values.documents), chunksPerDocument: 1 });
  const short = await conversation(environment, small, 10);
  const subjects: Subject[] = [
    { name: '10 messages, 14 documents', client: visitors[0]!, conversationId: short },
    {
      name: `${values.messages} messages, 14 documents`,
      client: visitors[0]!,
      conversationId: await conversation(environment, small, Number(values.messages)),
    },
    {
      name: `10 messages, ${values.documents} documents`,
      client: visitors[1]!,
      conversationId: await conversation(environment, large, 10),
    },
  ];
  await environment.sql`analyze`;
  await timeTurns(subjects);
  console.table(await timeTurns(subjects));
  console.log('History of the last turn');
  console.table(await historyOf(environment, short));
});

interface Subject {
  name: string;
  client: ReturnType<typeof createApiClient>;
  conversationId: string;
}

/** A conversation with so many messages, half of them answers. */
async function conversation(
  environment: TestEnvironment,
  project: TestProject,
  messages: number,
): Promise<string> {
  const { sql } = environment;
  const id = newId();
  await sql`insert into conversations (id, project_id) values (${id}, ${project.id})`;
  await sql`
    insert into turns (id, project_id, conversation_id, position, status, question, reply, started_at, finished_at)
    select gen_random_uuid(), ${project.id}, ${id}, n, 'answered', 'What do you sell?', 'Lamps.', now(), now()
    from generate_series(1, ${Math.floor(messages / 2)}) n`;
  return id;
}

/** A turn of each after the other, so that all of them meet the same machine. */
async function timeTurns(subjects: readonly Subject[]): Promise<Record<string, object>> {
  const times = subjects.map(() => ({ first: [] as number[], done: [] as number[] }));
  for (let n = 0; n < turns; n++) {
    for (const [at, { client, conversationId }] of subjects.entries()) {
      const began = performance.now();
      let firstToken = 0;
      const message = question(n);
      await client.stream('/v1/chat/turns', { message, conversationId }, (line) => {
        if (line.type === 'token' || line.type === 'done') firstToken ||= performance.now() - began;
      });
      times[at]!.first.push(firstToken);
      times[at]!.done.push(performance.now() - began);
    }
  }
  return Object.fromEntries(
    times.map(({ first, done }, at) => [
      subjects[at]!.name,
      {
        'first token p50': round(percentile(first, 0.5)),
        'first token p95': round(percentile(first, 0.95)),
        'done p50': round(percentile(done, 0.5)),
      },
    ]),
  );
}

async function historyOf(environment: TestEnvironment, conversationId: string): Promise<object> {
  const [row] = await environment.sql<{ id: string }[]>`
    select id from turns where conversation_id = ${conversationId} order by position desc limit 1`;
  const description = await environment.temporal.workflow.getHandle(`turn/${row!.id}`).describe();
  return { events: description.historyLength, bytes: description.historySize };
}
