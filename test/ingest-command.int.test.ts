import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createApiClient } from './support/api-client.ts';
import { frontdesk } from './support/cli.ts';
import { pdf } from './support/documents.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';

let environment: TestEnvironment;
let api: ReturnType<typeof createApiClient>;
let cwd: string;
let env: Record<string, string>;
let site: Server;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  const project = await environment.createProject();
  const [server] = await Promise.all([environment.startApi(), environment.startWorker()]);
  api = createApiClient(server.url, project.key);
  cwd = mkdtempSync(join(tmpdir(), 'ingest-'));
  env = { FRONTDESK_HOME: cwd, FRONTDESK_API_URL: server.url, FRONTDESK_API_KEY: project.key };
  site = createServer((_request, reply) => {
    reply.setHeader('content-type', 'text/html');
    reply.end('<html><body><h1>Fees</h1><p>The fee is nine euros.</p></body></html>');
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  site?.close();
  await environment?.close();
  rmSync(cwd, { recursive: true, force: true });
});

test('takes a folder, a file and an address in, and goes on when it is run again', async () => {
  const folder = join(cwd, 'docs');
  mkdirSync(join(folder, 'more'), { recursive: true });
  writeFileSync(join(folder, 'opening.md'), '# Opening\n\nWe open at ten.');
  writeFileSync(join(folder, 'more', 'prices.csv'), 'name,price\nlamp,12\n');
  writeFileSync(join(folder, '.hidden'), 'not this');
  const locked = join(cwd, 'locked.pdf');
  writeFileSync(locked, pdf([[{ text: 'x', x: 1, y: 1 }]], { encrypted: true }));
  const address = `http://127.0.0.1:${(site.address() as AddressInfo).port}/fees`;

  const run = () => frontdesk(['ingest', folder, locked, address], { env, cwd });
  const first = await run();
  expect(first.stdout, first.stderr).toContain('3 documents ready, 1 failed.');
  expect(first.stderr).toMatch(/locked\.pdf: .*password/);
  expect(first.stderr).toContain('4 of 4 documents (100 %)');
  expect(first.code).toBe(1);
  const { documents } = (await api.call('GET', '/documents')).json;
  expect(documents.map(({ title }: { title: string }) => title).sort()).toEqual(
    ['fees', 'locked', 'opening', 'prices'].sort(),
  );
  expect(documents.find(({ title }: { title: string }) => title === 'fees').mimeType).toBe('text/html');

  await run();
  expect((await api.call('GET', '/documents')).json.documents).toHaveLength(4);
  rmSync(locked);
  writeFileSync(join(folder, 'new.txt'), 'We close at six.');
  const third = await frontdesk(['ingest', folder], { env, cwd });
  expect(third.stdout, third.stderr).toContain('3 documents ready, 0 failed.');
  expect(third.code).toBe(0);
  expect((await api.call('GET', '/documents')).json.documents).toHaveLength(5);
});

test('says what it needs', async () => {
  expect((await frontdesk(['ingest'], { env, cwd })).stderr).toContain('Name the files');
  const without = await frontdesk(['ingest', cwd], { env: { FRONTDESK_HOME: cwd }, cwd });
  expect(without).toMatchObject({ code: 2, stderr: expect.stringContaining('FRONTDESK_API_URL is not set') });
});
