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
  const project = await environment.createProject();
  const [api] = await Promise.all([environment.startApi(), environment.startWorker()]);
  const client = createApiClient(api.url, project.key);
  await ingestHelpCentre(client);
  const small = await conversation(environment, project, 10);
  const long = await conversation(environment, project, Number(values.messages));
  await timeTurns(client, small);

  const rows: Record<string, object> = {};
  rows['10 messages, 14 documents'] = await timeTurns(client, small);
  rows[`${values.messages} messages, 14 documents`] = await timeTurns(client, long);
  await fillProject(environment, project.id, { documents: Number(values.documents), chunksPerDocument: 1 });
  await environment.sql`analyze`;
  rows[`10 messages, ${values.documents} documents`] = await timeTurns(client, small);
  console.table(rows);
  console.log('History of the last turn');
  console.table(await historyOf(environment, small));
});

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

async function timeTurns(
  client: ReturnType<typeof createApiClient>,
  conversationId: string,
): Promise<object> {
  const first: number[] = [];
  const done: number[] = [];
  for (let n = 0; n < turns; n++) {
    const began = performance.now();
    let firstToken = 0;
    const message = question(n);
    await client.stream('/v1/chat/turns', { message, conversationId }, (line) => {
      if (line.type === 'token' || line.type === 'done') firstToken ||= performance.now() - began;
    });
    first.push(firstToken);
    done.push(performance.now() - began);
  }
  return {
    'first token p50': round(percentile(first, 0.5)),
    'first token p95': round(percentile(first, 0.95)),
    'done p50': round(percentile(done, 0.5)),
  };
}

async function historyOf(environment: TestEnvironment, conversationId: string): Promise<object> {
  const [row] = await environment.sql<{ id: string }[]>`
    select id from turns where conversation_id = ${conversationId} order by position desc limit 1`;
  const description = await environment.temporal.workflow.getHandle(`turn/${row!.id}`).describe();
  return { events: description.historyLength, bytes: description.historySize };
}
