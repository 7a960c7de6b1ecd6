import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { hashPassword } from '../auth/passwords.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';

const program = fileURLToPath(new URL('../cli/frontdesk', import.meta.url));
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
});
afterAll(() => environment?.close());

const frontdesk = (args: string[], input = '') =>
  spawnSync(program, args, {
    cwd: tmpdir(),
    encoding: 'utf8',
    input,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment.env },
  });

test('any string is imported as a key of one project', async () => {
  const [project, other] = [await environment.createProject(), await environment.createProject()];
  const done = frontdesk(['import-key', project.id, '--kind', 'publishable'], 'sk_live_from_elsewhere\n');
  expect([done.status, done.stdout]).toEqual([0, 'The key is a publishable key of Test. It may: chat.\n']);
  const key = await environment.stores.keys.find('sk_live_from_elsewhere');
  expect(key).toMatchObject({ projectId: project.id, kind: 'publishable' });
  const again = frontdesk(['import-key', other.id], 'sk_live_from_elsewhere');
  expect([again.status, again.stderr]).toEqual([
    1,
    'This key is in use already: a key belongs to one project.\n',
  ]);
  expect(frontdesk(['import-key', 'nobody'], 'x').stderr).toBe('There is no project nobody.\n');
  expect(frontdesk(['import-key', project.id], '').stderr).toBe('Give one key on standard input.\n');
  expect(frontdesk(['import-key']).status).toBe(2);
});

test('a user becomes a platform admin and is one no more', async () => {
  await environment.sql`
    insert into users (id, email, name, password_hash)
    values (gen_random_uuid(), 'ada@example.com', 'Ada', ${await hashPassword('a long enough password')})`;
  expect(frontdesk(['admin', 'Ada@Example.com']).stdout).toBe('ada@example.com is a platform admin.\n');
  expect((await environment.stores.users.findByEmail('ada@example.com'))?.platformAdmin).toBe(true);
  expect(frontdesk(['admin', 'ada@example.com', '--revoke']).status).toBe(0);
  expect((await environment.stores.users.findByEmail('ada@example.com'))?.platformAdmin).toBe(false);
  expect(frontdesk(['admin', 'nobody@example.com']).status).toBe(1);
});
