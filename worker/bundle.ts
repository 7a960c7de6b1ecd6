import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type Logger } from '@temporalio/worker';

const root = fileURLToPath(new URL('..', import.meta.url));
/** What a bundle is made of: the workflows, what they may import, how it is made, and the SDK's version. */
const inputs = ['workflows', 'domain', 'worker', 'package-lock.json'];

/**
 * The workflows as one file. Making it takes seconds, in which a restarted worker would leave visitors waiting, so it
 * is kept in `cacheDir` under the hash of its inputs.
 */
export async function workflowBundle(
  cacheDir: string,
  logger: Logger,
  interceptorModules: readonly string[] = [],
): Promise<{ codePath: string }> {
  const hash = createHash('sha256').update(JSON.stringify(interceptorModules));
  for (const file of await filesOf(inputs)) hash.update(file).update(await readFile(join(root, file)));
  const codePath = join(cacheDir, `workflows-${hash.digest('hex').slice(0, 16)}.js`);
  try {
    await readFile(codePath);
    return { codePath };
  } catch {
    // not made yet
  }
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(root, 'workflows', 'index.ts'),
    // Loaded once for all workflows, instead of again for each: measured with bench/turns, this is most of what a
    // workflow costs. The module keeps a workflow's state in its activator, not in itself.
    preloadModules: ['@temporalio/workflow'],
    workflowInterceptorModules: [...interceptorModules],
    logger,
  });
  await mkdir(cacheDir, { recursive: true });
  // Under another name first: workers that start together must not read half a file.
  const partial = `${codePath}.${process.pid}`;
  await writeFile(partial, code);
  await rename(partial, codePath);
  return { codePath };
}

async function filesOf(paths: readonly string[]): Promise<string[]> {
  const lists = await Promise.all(
    paths.map(async (path) =>
      path.includes('.') ? [path] : (await readdir(join(root, path))).sort().map((name) => join(path, name)),
    ),
  );
  return lists.flat();
}
