import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contrast, type Rgb, paletteOf } from '../widget/loader/colour.ts';
import { launcherOptionsOf, panelOptionsOf } from '../widget/loader/options.ts';
import { widgetFiles } from '../widget/build.ts';
import { claimsOf } from '../widget/panel/claims.ts';
import { texts as ar } from '../widget/texts/ar.ts';
import { texts as de } from '../widget/texts/de.ts';
import { texts as en } from '../widget/texts/en.ts';
import { texts as es } from '../widget/texts/es.ts';

const scriptUrl = 'https://desk.example.com/widget.js';
const optionsOf = (attributes: Record<string, string>) => {
  const attribute = (name: string) => attributes[`data-${name}`] ?? null;
  return { ...launcherOptionsOf(attribute, scriptUrl), ...panelOptionsOf(attribute) };
};

test('the attributes of the native script tag', () => {
  expect(
    optionsOf({
      'data-api-url': 'https://api.example.com/',
      'data-api-key': 'cb_test_1',
      'data-title': 'Shop',
      'data-primary-color': '#ff6600',
      'data-position': 'left',
      'data-welcome': 'Hello there',
    }),
  ).toMatchObject({
    apiUrl: 'https://api.example.com',
    apiKey: 'cb_test_1',
    title: 'Shop',
    color: '#ff6600',
    position: 'bottom-left',
    welcome: 'Hello there',
    open: false,
  });
});

test('the attributes of a SmartChat tag: the server is where the script came from', () => {
  expect(
    optionsOf({
      'data-api-key': 'DEFAULT_API_KEY',
      'data-user-id': 'u1',
      'data-user-name': 'Ada',
      'data-user-email': 'ada@example.com',
      'data-user-meta': '{"plan":"pro"}',
    }),
  ).toMatchObject({
    apiUrl: 'https://desk.example.com',
    user: { userId: 'u1', name: 'Ada', email: 'ada@example.com', meta: { plan: 'pro' } },
  });
  expect(optionsOf({ 'data-api-key': 'k', 'data-user-meta': 'no json' }).user).toBeUndefined();
});

test('the attributes of an NDJSON widget tag: the address is that of its chat call', () => {
  for (const path of ['/chat', '/v1/chat', '/v1/chat/stream', '/chat/']) {
    expect(optionsOf({ 'data-api-url': `https://api.example.com/desk${path}` }).apiUrl).toBe(
      'https://api.example.com/desk',
    );
  }
  expect(
    optionsOf({
      'data-api-key': 'k',
      'data-welcome-message': 'Hi',
      'data-input-placeholder': 'Ask…',
      'data-position': 'top-right',
      'data-accent-color': 'teal',
    }),
  ).toMatchObject({ welcome: 'Hi', placeholder: 'Ask…', position: 'top-right', color: 'teal' });
});

test('an empty notice hides it, a bare data-open opens, unknown values count as absent', () => {
  expect(optionsOf({ 'data-notice': '', 'data-open': '' })).toMatchObject({ notice: '', open: true });
  expect(optionsOf({ 'data-open': 'false' }).open).toBe(false);
  expect(optionsOf({ 'data-position': 'middle', 'data-theme': 'pink', 'data-lead': 'maybe' })).toMatchObject({
    position: undefined,
    theme: undefined,
    lead: undefined,
  });
});

test('when visitors are asked who they are', () => {
  for (const mode of ['off', 'before', 'after', 'unanswered', 'request'])
    expect(optionsOf({ 'data-lead': mode }).lead).toBe(mode);
  expect(optionsOf({}).lead).toBeUndefined();
});

test('what the page says of the visitor is within what the server takes, and holds no token', () => {
  const meta = { plan: 'pro' };
  const user = { userId: 42 as unknown as string, name: 'A'.repeat(300), token: 'secret', meta };
  expect(claimsOf(user)).toEqual({ userId: '42', name: 'A'.repeat(200), email: undefined, meta });
  expect(claimsOf({ meta: { text: 'x'.repeat(5_000) } })).toBeUndefined();
  expect(claimsOf({ token: 'secret' })).toBeUndefined();
  expect(claimsOf(undefined)).toBeUndefined();
});

const parsed = (hex: string): Rgb => {
  const full = hex.length === 4 ? hex.replace(/[^#]/g, '$&$&') : hex;
  const part = (index: number) => Number.parseInt(full.slice(index, index + 2), 16);
  return [part(1), part(3), part(5)];
};

test('every brand colour is adjusted until it can be read', () => {
  const part = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(fc.tuple(part, part, part), fc.constantFrom('light', 'dark'), (colour, scheme) => {
      const palette = paletteOf(colour, scheme);
      const paper: Rgb = scheme === 'light' ? [255, 255, 255] : [23, 25, 29];
      const [brand, onBrand, ink, soft] = [
        palette.brand,
        palette.onBrand,
        palette.brandInk,
        palette.brandSoft,
      ].map(parsed) as [Rgb, Rgb, Rgb, Rgb];
      expect(contrast(brand, onBrand)).toBeGreaterThanOrEqual(4.5);
      expect(contrast(brand, paper)).toBeGreaterThanOrEqual(1.39);
      expect(contrast(ink, paper)).toBeGreaterThanOrEqual(4.5);
      expect(contrast(ink, soft)).toBeGreaterThanOrEqual(4.5);
    }),
    { numRuns: 2000 },
  );
});

test('a colour that can be read already stays as it is', () => {
  expect(paletteOf([47, 93, 80], 'light')).toMatchObject({
    brand: '#2f5d50',
    onBrand: '#fff',
    brandInk: '#2f5d50',
  });
});

test('every language has every text with the same values to fill in', () => {
  const values = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();
  for (const texts of [de, es, ar]) {
    for (const [name, text] of Object.entries(texts)) {
      expect(text, name).not.toBe('');
      expect(values(text), name).toEqual(values(en[name as keyof typeof en]));
    }
    expect(Object.keys(texts).sort()).toEqual(Object.keys(en).sort());
  }
});

test('the loader is within 5 KB and everything within 40 KB of gzip', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'frontdesk-widget-'));
  const files = await widgetFiles(folder);
  await rm(folder, { recursive: true });
  const size = (name: string) => files.get(name)!.gzip.length;
  const names = [...files.keys()];
  expect(size('widget.js')).toBeLessThanOrEqual(5_000);
  // All that a visitor can load but the formatting buttons: a visitor speaks one language, here the largest.
  const isLanguage = (name: string) => /^(ar|de|en|es)-/.test(name);
  const parts = names.filter((name) => !isLanguage(name) && !name.startsWith('toolbar-'));
  expect(parts.some((name) => name.startsWith('forms-'))).toBe(true);
  const sum = parts.reduce((total, name) => total + size(name), 0);
  expect(sum + Math.max(...names.filter(isLanguage).map(size))).toBeLessThanOrEqual(40_000);
});
