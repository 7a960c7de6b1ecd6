// The operator's commands.
import { parseArgs } from 'node:util';
import { type Config, encryptionKeys, required } from '../config.ts';
import { keyKinds } from '../domain/auth.ts';
import { createEncryption } from '../encryption.ts';
import { type ChunkIndex, createChunkIndex } from '../stores/elasticsearch/chunk-index.ts';
import { connectElasticsearch } from '../stores/elasticsearch/client.ts';
import { connectPostgres } from '../stores/postgres/client.ts';
import { createDiagnosticsStore, type DiagnosticsStore } from '../stores/postgres/diagnostics.ts';
import { secretSources } from '../stores/postgres/secrets.ts';
import { importKey, setHost, setPlatformAdmin } from './accounts.ts';
import { diagnose, line } from './doctor.ts';
import { apiAccess, loadConfig } from './environment.ts';
import { count, fail, type Finding, reasonOf } from './finding.ts';
import { ingest } from './ingest.ts';
import { importAssistants } from './import-assistants.ts';
import { progressLine } from './progress.ts';
import { rebuildIndex } from './rebuild-index.ts';
import { rotateEncryption } from './rotate-encryption.ts';

const usage = `frontdesk <command>

  doctor          Looks at the configuration, every server, the queues and the index; ends with 1 if something is wrong.
    --json        Prints the findings as JSON.
    --deep        Compares every chunk's id with the index, however many there are.

  ingest PATH|URL…
                  Takes files, folders and addresses in and waits until they are ready. When it was interrupted, run it
                  again: it goes on where it stopped. The API and a project's key come from FRONTDESK_API_URL and
                  FRONTDESK_API_KEY, or from the \`npm start\` that runs from this folder.

  rebuild-index   Makes Elasticsearch hold what PostgreSQL says it should, without asking an embedding provider again:
                  writes chunks that are missing and removes those of no published document. Workers may run. When it
                  was interrupted, run it again.
    --drop        Removes the index first, and creates it anew. Until it is done, searches find only a part.

  admin ADDRESS   Makes the user with this e-mail address a platform admin, who may list and suspend users.
    --revoke      Takes that away again.

  import-key PROJECT_ID
                  Makes the key on standard input a key of the project, whatever it looks like: those who have a key of
                  another system go on using it.
    --kind KIND   ordinary (default), publishable or secret.

  rotate-encryption   Encrypts secrets at rest again with the first of ENCRYPTION_KEYS. Put a new key in front, restart
                      the processes, run this, and then take the old key away.

  set-host HOST PROJECT_ID
                  Lets the project answer the pages of this host, which send no key, whoever answered them before.

  import-assistants WORKSPACE_ID
                  Makes a project of each site of an assistants proxy, from DOMAINS, OPENAI_API_KEYS, ASSISTANT_IDS and
                  EMAIL_TO. What OpenAI holds of an assistant is read once. Can run again.

The servers' addresses come from the environment, from .env, or from the \`npm start\` that runs from this folder.
`;

const { values, positionals } = read(() =>
  parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      json: { type: 'boolean', default: false },
      deep: { type: 'boolean', default: false },
      drop: { type: 'boolean', default: false },
      revoke: { type: 'boolean', default: false },
      kind: { type: 'string', default: 'ordinary' },
    },
  }),
);
const [command, ...given] = positionals;

if (values.help) console.log(usage);
else if (command === 'doctor') await doctor(...argumentsOf([]));
else if (command === 'ingest') await ingestSources(given);
else if (command === 'rebuild-index') await rebuild(...argumentsOf([]));
else if (command === 'admin') await admin(...argumentsOf(['the address of a user']));
else if (command === 'import-key') await importProjectKey(...argumentsOf(["the project's id"]));
else if (command === 'rotate-encryption') await rotate(...argumentsOf([]));
else if (command === 'set-host') await host(...argumentsOf(['the host', "the project's id"]));
else if (command === 'import-assistants') await assistants(...argumentsOf(["the workspace's id"]));
else misused(command ? `There is no command ${command}.` : 'Name a command.');

/** As many arguments as there are names. */
function argumentsOf<const Names extends readonly string[]>(names: Names): { [K in keyof Names]: string } {
  if (given.length > names.length) misused(`${given[names.length]} is one argument too many.`);
  if (given.length < names.length) misused(`Give ${names[given.length]}.`);
  return given as { [K in keyof Names]: string };
}

async function admin(email: string): Promise<void> {
  const config = read(loadConfig);
  await say(() => setPlatformAdmin(config, email, !values.revoke));
}

async function importProjectKey(projectId: string): Promise<void> {
  const config = read(loadConfig);
  const kind =
    keyKinds.find((known) => known === values.kind) ?? misused(`There is no kind of key ${values.kind}.`);
  await say(() => importKey(config, projectId, kind, process.stdin));
}

async function host(name: string, projectId: string): Promise<void> {
  const config = read(loadConfig);
  await say(() => setHost(config, name, projectId));
}

async function assistants(workspaceId: string): Promise<void> {
  const config = read(loadConfig);
  await say(async () => {
    const { lines, failures } = await importAssistants(config, workspaceId);
    for (const line of lines) console.log(line);
    for (const failure of failures) console.error(failure);
    if (failures.length > 0)
      throw new Error(`Not imported: ${failures.length} of ${lines.length + failures.length}.`);
    return `Imported: ${lines.length}.`;
  });
}

/** Prints what was done, or why it was not, and then ends with 1. */
async function say(work: () => Promise<string>): Promise<void> {
  try {
    console.log(await work());
  } catch (error) {
    console.error(reasonOf(error));
    process.exitCode = 1;
  }
}

async function doctor(): Promise<void> {
  let findings: Finding[];
  try {
    findings = await diagnose(loadConfig(), { deep: values.deep });
  } catch (error) {
    // All variables that are wrong, on one line.
    const detail = (error as Error).message.replaceAll(/\s*\n\s*/g, ' ');
    findings = [fail('Configuration', detail, 'Correct the environment or .env')];
  }
  console.log(values.json ? JSON.stringify(findings, null, 2) : findings.map(line).join('\n'));
  if (findings.some(({ severity }) => severity === 'fail')) process.exitCode = 1;
}

async function ingestSources(sources: readonly string[]): Promise<void> {
  if (sources.length === 0) misused('Name the files, folders or addresses to take in.');
  const { apiUrl, apiKey } = read(() => apiAccess(loadConfig()));
  const progress = progressLine(process.stderr, Date.now, 'documents');
  try {
    const { ready, failed } = await ingest({ apiUrl, apiKey, sources, onProgress: progress.show });
    progress.finish();
    for (const { source, reason } of failed) console.error(`${source}: ${reason}`);
    console.log(`${count(ready, 'document')} ready, ${failed.length} failed.`);
    if (failed.length > 0) process.exitCode = 1;
  } catch (error) {
    progress.finish();
    console.error(`${reasonOf(error)}\nWhat was taken in stays: run the command again to go on.`);
    process.exitCode = 1;
  }
}

async function rebuild(): Promise<void> {
  const config = read(loadConfig);
  const { sql, client } = read(() => connect(config));
  try {
    for (const space of await createDiagnosticsStore(sql).spaces()) {
      const index = createChunkIndex(client, { prefix: config.ELASTICSEARCH_INDEX_PREFIX, space });
      await rebuildSpace(createDiagnosticsStore(sql, space), index, space.model);
    }
  } catch (error) {
    console.error(
      `${reasonOf(error)}\nWhat was done stays: run the command again, without --drop, to go on.`,
    );
    process.exitCode = 1;
  } finally {
    await Promise.all([sql.end({ timeout: 1 }), client.close()]);
  }
}

async function rebuildSpace(diagnostics: DiagnosticsStore, index: ChunkIndex, model: string): Promise<void> {
  const progress = progressLine(process.stderr, Date.now);
  const options = { drop: values.drop, onProgress: progress.show };
  const rebuilt = await rebuildIndex({ diagnostics, index, model }, options).finally(() => progress.finish());
  const { total, written, removed } = rebuilt;
  console.log(
    `${index.name}: ${count(total, 'chunk')}, ${written.toLocaleString('en')} written, ${removed.toLocaleString('en')} removed.`,
  );
  if (rebuilt.ingestingAtDrop > 0) {
    console.log(
      `In ingestion when the index was removed: ${count(rebuilt.ingestingAtDrop, 'document')}. Run ` +
        '`frontdesk rebuild-index` again once they are ready.',
    );
  }
  if (rebuilt.withoutEmbedding > 0) {
    const documents = [...rebuilt.documentsWithoutEmbedding];
    const names = documents.slice(0, 10).join(', ') + (documents.length > 10 ? ', …' : '');
    console.error(
      `Left out for want of a ${model} embedding: ${count(rebuilt.withoutEmbedding, 'chunk')} of ` +
        `${count(documents.length, 'document')}. Upload again: ${names}`,
    );
    process.exitCode = 1;
  }
}

async function rotate(): Promise<void> {
  const config = read(loadConfig);
  const encryption = createEncryption(read(() => encryptionKeys(config)));
  const sql = read(() => postgresOf(config, 'frontdesk-rotate-encryption'));
  try {
    for (const { name, total, rotated, failures } of await rotateEncryption(encryption, secretSources(sql))) {
      console.log(`${name}: ${total.toLocaleString('en')}, ${rotated.toLocaleString('en')} encrypted again.`);
      for (const failure of failures) console.error(`${name}: ${failure}`);
      if (failures.length > 0) process.exitCode = 1;
    }
  } catch (error) {
    console.error(reasonOf(error));
    process.exitCode = 1;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function postgresOf(config: Config, applicationName: string) {
  return connectPostgres(required(config, 'DATABASE_URL'), { poolSize: 4, applicationName });
}

function connect(config: Config) {
  const sql = postgresOf(config, 'frontdesk-rebuild-index');
  const client = connectElasticsearch(required(config, 'ELASTICSEARCH_URL'), {
    apiKey: config.ELASTICSEARCH_API_KEY,
  });
  return { sql, client };
}

/** What cannot be read is the caller's to mend: says so, and ends with 2. */
function read<T>(from: () => T): T {
  try {
    return from();
  } catch (error) {
    return misused((error as Error).message);
  }
}

function misused(message: string): never {
  console.error(`${message}\n\nfrontdesk --help lists the commands.`);
  process.exit(2);
}
