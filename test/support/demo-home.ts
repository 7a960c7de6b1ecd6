import { mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../config.ts';
import { demoSettings } from '../../infra/demo/settings.ts';
import type { TestEnvironment } from './environment.ts';

/**
 * A project with the demo's settings, and a FRONTDESK_HOME whose demo pages use it; the models in it are the ones that are
 * there already. Whoever asks for it removes it.
 */
export async function createDemo({ sql, createProject }: TestEnvironment) {
  const project = await createProject();
  await sql`update projects set settings = ${sql.json(demoSettings)} where id = ${project.id}`;
  const home = await mkdtemp(join(tmpdir(), 'frontdesk-demo-'));
  await symlink(join(readConfig().FRONTDESK_HOME, 'models'), join(home, 'models'));
  const keys = { projectId: project.id, apiKey: project.key, widgetKey: project.widgetKey };
  await writeFile(join(home, 'demo-keys.json'), JSON.stringify(keys));
  return { project, home };
}
