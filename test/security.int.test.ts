import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createApiClient } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import { startProcess } from './support/processes.ts';

let environment: TestEnvironment;
let production: ReturnType<typeof createApiClient>;
let development: ReturnType<typeof createApiClient>;
let key: string;
const https = { 'x-forwarded-proto': 'https' };
const secrets = () => ({
  NODE_ENV: 'production',
  ENCRYPTION_KEYS: `one:${randomBytes(32).toString('base64')}`,
  ACCESS_SECRET: randomBytes(32).toString('base64'),
  REFRESH_SECRET: randomBytes(32).toString('base64'),
  AUTH_SECRET: randomBytes(32).toString('base64'),
});

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  ({ key } = await environment.createProject());
  const [behindProxy, plain] = await Promise.all([
    environment.startApi({ ...secrets(), TRUST_PROXY: '1' }),
    environment.startApi(),
  ]);
  production = createApiClient(behindProxy.url, key);
  development = createApiClient(plain.url, key);
});
afterAll(() => environment?.close());

test('production refuses plain HTTP, and answers behind a proxy that ended TLS', async () => {
  const plain = await production.call('GET', '/documents');
  expect(plain.status).toBe(403);
  expect(plain.json.code).toBe('HTTPS_REQUIRED');
  expect(
    (await production.call('GET', '/documents', undefined, { 'x-forwarded-proto': 'http' })).status,
  ).toBe(403);
  const secure = await production.call('GET', '/documents', undefined, https);
  expect(secure.status, secure.text).toBe(200);
  expect(secure.headers.get('strict-transport-security')).toMatch(/max-age=\d{8}/);
  expect((await production.call('GET', '/ready')).status, 'load balancers ask from inside').toBe(200);
  expect((await production.call('GET', '/demo', undefined, https)).status).toBe(404);
});

test('a header that nobody was told to trust changes nothing', async () => {
  const server = await environment.startApi(secrets());
  const answer = await createApiClient(server.url, key).call('GET', '/documents', undefined, https);
  expect(answer.json.code).toBe('HTTPS_REQUIRED');
  expect(server.output()).toContain('TRUST_PROXY is not set');
});

test('production does not start without secrets of its own, and prints none', async () => {
  const start = startProcess(
    'api/server.ts',
    { ...environment.env, NODE_ENV: 'production', CORS_ORIGIN: '*' },
    'listening',
  );
  await expect(start).rejects.toThrow(/Not fit for production[\s\S]*ENCRYPTION_KEYS[\s\S]*CORS_ORIGIN/);
  const worker = startProcess('worker/main.ts', { ...environment.env, NODE_ENV: 'production' }, 'is running');
  await expect(worker).rejects.toThrow('ENCRYPTION_KEYS');
});

test('every reply has the security headers, and a policy that fits what it is', async () => {
  for (const path of ['/documents', '/nowhere', '/health', '/documents/x']) {
    const { headers } = await development.call('GET', path);
    expect(headers.get('x-content-type-options'), path).toBe('nosniff');
    expect(headers.get('x-frame-options')).toBe('SAMEORIGIN');
    expect(headers.get('referrer-policy')).toBeTruthy();
    expect(headers.get('permissions-policy')).toBeTruthy();
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('strict-transport-security'), 'only in production').toBeNull();
    expect(headers.get('x-request-id')).toBeTruthy();
  }
});

test('the reference page loads nothing from elsewhere, and the document is the one in docs/', async () => {
  const page = await development.call('GET', '/docs/');
  expect(page.status).toBe(200);
  expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
  expect(page.headers.get('x-content-type-options')).toBe('nosniff');
  expect(page.text).not.toMatch(/(src|href)="https?:/);
  expect(page.text, 'no script in the page itself').not.toMatch(/<script(?![^>]*src=)/);
  for (const [, file] of page.text.matchAll(/(?:src|href)="([^"]+)"/g)) {
    const { status } = await development.call('GET', new URL(file!, 'http://x/docs/').pathname);
    expect(status, file).toBe(200);
  }
  const document = await development.call('GET', '/v1/openapi.json');
  expect(document.json.openapi).toBe('3.1.0');
  expect(Object.keys(document.json.paths).length).toBeGreaterThan(10);
});
