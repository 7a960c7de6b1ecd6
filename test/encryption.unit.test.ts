import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createEncryption } from '../encryption.ts';

const older = { id: 'older', key: randomBytes(32) };
const newer = { id: 'newer', key: randomBytes(32) };

test('opens what it sealed, and never seals twice alike', () => {
  const encryption = createEncryption([newer]);
  const sealed = encryption.encrypt('a secret with ümlauts', 'rows/1');
  expect(encryption.decrypt(sealed, 'rows/1')).toBe('a secret with ümlauts');
  expect(encryption.encrypt('a secret with ümlauts', 'rows/1')).not.toBe(sealed);
  expect(sealed).not.toContain('secret');
});

test('an older key still opens, and its texts are outdated', () => {
  const sealed = createEncryption([older]).encrypt('x', 'rows/1');
  const rotated = createEncryption([newer, older]);
  expect(rotated.decrypt(sealed, 'rows/1')).toBe('x');
  expect(rotated.isOutdated(sealed)).toBe(true);
  expect(rotated.isOutdated(rotated.encrypt('x', 'rows/1'))).toBe(false);
});

test('does not open in another row, after a change, or without its key', () => {
  const encryption = createEncryption([newer]);
  const sealed = encryption.encrypt('x', 'rows/1');
  expect(() => encryption.decrypt(sealed, 'rows/2')).toThrow('does not open with the encryption key "newer"');
  const bytes = Buffer.from(sealed.slice(6), 'base64url');
  bytes[13]! ^= 1;
  expect(() => encryption.decrypt(`newer.${bytes.toString('base64url')}`, 'rows/1')).toThrow('does not open');
  expect(() => encryption.decrypt('newer.AAAA', 'rows/1')).toThrow('does not open');
  expect(() => createEncryption([older]).decrypt(sealed, 'rows/1')).toThrow(
    '"newer" is not in ENCRYPTION_KEYS',
  );
});
