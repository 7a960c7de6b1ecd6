// Builds the widget: the loader as one classic script, and the panel with its lazily loaded parts as modules.
//   npm run build:widget
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type BuildOptions, build } from 'esbuild';
import { readConfig } from '../config.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** What the widget is made of, and the versions of what makes it. */
const inputs = [
  'widget/loader',
  'widget/panel',
  'widget/texts',
  'widget/build.ts',
  'domain/login-refusals.ts',
  'package-lock.json',
];
const loaderFile = 'widget.js';

export interface WidgetFile {
  body: Buffer;
  gzip: Buffer;
  etag: string;
}
/** By name: `widget.js`, and modules whose names contain a hash of their content. */
export type WidgetFiles = ReadonlyMap<string, WidgetFile>;

/** The built widget. It is kept in `cacheDir` under the hash of its inputs, and made when it is not there. */
export async function widgetFiles(cacheDir: string): Promise<WidgetFiles> {
  const folder = join(cacheDir, `widget-${await hashOfInputs()}`);
  const made = await readdir(folder).catch(() => undefined);
  if (!made) await make(folder);
  const names = made ?? (await readdir(folder));
  return new Map(
    await Promise.all(names.map(async (name) => [name, await load(join(folder, name))] as const)),
  );
}

async function load(path: string): Promise<WidgetFile> {
  const body = await readFile(path);
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 20)}"`;
  return { body, gzip: gzipSync(body, { level: 9 }), etag };
}

async function make(folder: string): Promise<void> {
  // Under another name first: processes that start together must not read half a build.
  const partial = `${folder}.${process.pid}`;
  await mkdir(partial, { recursive: true });
  const common: BuildOptions = {
    bundle: true,
    minify: true,
    target: ['chrome94', 'firefox93', 'safari15.4'],
    loader: { '.css': 'text' },
    plugins: [minifiedStyles, markedInParts],
    legalComments: 'none',
    charset: 'utf8',
    outdir: partial,
    logLevel: 'silent',
  };
  const panel = await build({
    ...common,
    entryPoints: { panel: join(root, 'widget/panel/main.ts') },
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    format: 'esm',
    splitting: true,
    metafile: true,
  });
  const [panelPath] = Object.entries(panel.metafile.outputs).find(([, { entryPoint }]) =>
    entryPoint?.endsWith('widget/panel/main.ts'),
  )!;
  await build({
    ...common,
    entryPoints: { widget: join(root, 'widget/loader/main.ts') },
    format: 'iife',
    define: { PANEL_FILE: JSON.stringify(basename(panelPath)) },
  });
  await rename(partial, folder).catch(async () => {
    // Another process was first with the same files.
    await rm(partial, { recursive: true });
  });
}

/** Style sheets are imported as text, because they go into a shadow root. */
const minifiedStyles: NonNullable<BuildOptions['plugins']>[number] = {
  name: 'minified-styles',
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { outputFiles } = await build({ entryPoints: [path], minify: true, write: false });
      return { contents: outputFiles[0]!.text.trim(), loader: 'text' };
    });
  },
};

/**
 * The parser's sources, from its source map. Its one file ends by hanging everything on one function, which no bundler can
 * leave out; of the sources only those come along that are used, which is half.
 */
const markedInParts: NonNullable<BuildOptions['plugins']>[number] = {
  name: 'marked-in-parts',
  setup({ onResolve, onLoad }) {
    const namespace = 'marked';
    onResolve({ filter: /^marked$/ }, () => ({ path: 'marked', namespace }));
    onResolve({ filter: /^\.\//, namespace }, ({ path }) => ({ path: basename(path), namespace }));
    onLoad({ filter: /^marked$/, namespace }, () => ({
      contents: "export { _Lexer as Lexer } from './Lexer.ts'",
    }));
    onLoad({ filter: /\.ts$/, namespace }, async ({ path }) => {
      const map = await readFile(`${fileURLToPath(import.meta.resolve('marked'))}.map`, 'utf8');
      const { sources, sourcesContent } = JSON.parse(map) as Record<'sources' | 'sourcesContent', string[]>;
      return { contents: sourcesContent[sources.indexOf(`../src/${path}`)]!, loader: 'ts' };
    });
  },
};

async function hashOfInputs(): Promise<string> {
  const hash = createHash('sha256');
  for (const input of inputs) {
    for (const file of await filesOf(join(root, input))) {
      hash.update(file.slice(root.length)).update(await readFile(file));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

async function filesOf(path: string): Promise<string[]> {
  if (extname(path)) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = await widgetFiles(join(readConfig().FRONTDESK_HOME, 'cache'));
  for (const [name, { body, gzip }] of files) {
    console.log(`${name.padEnd(24)} ${body.length} bytes, ${gzip.length} with gzip`);
  }
  if (!files.has(loaderFile)) throw new Error(`${loaderFile} was not built`);
}
