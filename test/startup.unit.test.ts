import { expect, test } from 'vitest';
import { readConfig } from '../config.ts';
import { checkStart } from '../startup.ts';

const secret = (letter: string) => `${letter}Q7fPz3KdVw9sXbYt2RmJhLc5GnEuAo8`;
const production = {
  NODE_ENV: 'production',
  ENCRYPTION_KEYS: `one:${Buffer.alloc(32, 'k7').toString('base64')}`,
  ACCESS_SECRET: secret('a'),
  REFRESH_SECRET: secret('b'),
  AUTH_SECRET: secret('c'),
  CORS_ORIGIN: 'https://shop.example',
  TRUST_PROXY: '1',
};

function start(env: Record<string, string>): string[] {
  const warnings: string[] = [];
  checkStart(readConfig(env), { warn: (...args: unknown[]) => void warnings.push(JSON.stringify(args)) });
  return warnings;
}

test('a complete production environment starts, and so does an empty one in development', () => {
  expect(start(production)).toEqual([]);
  expect(start({ CORS_ORIGIN: '*' })).toEqual([]);
});

test.each([
  ['ENCRYPTION_KEYS', ''],
  ['ACCESS_SECRET', ''],
  ['REFRESH_SECRET', ''],
  ['AUTH_SECRET', ''],
  ['AUTH_SECRET', 'change-me-change-me-change-me-change-me'],
  ['AUTH_SECRET', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'],
  ['AUTH_SECRET', secret('a')],
  ['CORS_ORIGIN', '*'],
  ['FRONTEND_ORIGIN', 'https://desk.example,*'],
])('production refuses %s=%s', (name, value) => {
  expect(() => start({ ...production, [name]: value })).toThrow(name);
});

test('all that is wrong is said at once, and no secret with it', () => {
  const bad = { ...production, AUTH_SECRET: 'password-password-password-password', CORS_ORIGIN: '*' };
  expect(() => start(bad)).toThrow(/AUTH_SECRET[\s\S]*CORS_ORIGIN/);
  expect(() => start(bad)).not.toThrow(/password-/);
});

test('a missing proxy and variables of another system are warned of', () => {
  expect(start({ ...production, TRUST_PROXY: 'false' }).join()).toContain('TRUST_PROXY');
  expect(start({ ...production, TRUST_PROXY: 'false', ALLOW_PLAIN_HTTP: 'true' })).toEqual([]);
  expect(start({ CHROMA_URL: 'http://old.example', CONVEX_URL: 'x' }).join()).toMatch(
    /CHROMA_URL.*CONVEX_URL/,
  );
});
