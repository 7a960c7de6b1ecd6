// Secrets at rest (provider keys, codes that wait in a mail): AES-256-GCM, NIST SP 800-38D.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

export interface EncryptionKey {
  /** Stands in front of what the key encrypted, so that keys can be rotated. */
  id: string;
  /** 32 bytes. */
  key: Buffer;
}

export interface Encryption {
  /**
   * `<key id>.<base64url of nonce, ciphertext and tag>`. The context (a row's table and id, say) is authenticated:
   * what was moved to another row does not open there.
   */
  encrypt(plaintext: string, context: string): string;
  /** Throws an Error that names the key's id, never the plaintext, when the key is absent or the text was changed. */
  decrypt(ciphertext: string, context: string): string;
  /** A keyed hash, for what has so few values (a code of six digits) that a plain one could be tried out. */
  mac(text: string, context: string): string;
  /** Whether the text was encrypted with a key other than the current one, and should be encrypted again. */
  isOutdated(ciphertext: string): boolean;
}

const nonceBytes = 12;
const tagBytes = 16;

/** The first key encrypts; all of them decrypt. */
export function createEncryption(keys: readonly [EncryptionKey, ...EncryptionKey[]]): Encryption {
  const current = keys[0];
  const macKey = Buffer.from(hkdfSync('sha256', current.key, '', 'frontdesk/mac', 32));
  return {
    encrypt(plaintext, context) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', current.key, nonce).setAAD(Buffer.from(context));
      const sealed = Buffer.concat([
        nonce,
        cipher.update(plaintext, 'utf8'),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      return `${current.id}.${sealed.toString('base64url')}`;
    },

    decrypt(ciphertext, context) {
      const [id, encoded] = split(ciphertext);
      const found = keys.find((key) => key.id === id);
      if (!found) throw new Error(`The encryption key "${id}" is not in ENCRYPTION_KEYS.`);
      const sealed = Buffer.from(encoded, 'base64url');
      try {
        const decipher = createDecipheriv('aes-256-gcm', found.key, sealed.subarray(0, nonceBytes), {
          authTagLength: tagBytes,
        })
          .setAAD(Buffer.from(context))
          .setAuthTag(sealed.subarray(-tagBytes));
        const opened = [decipher.update(sealed.subarray(nonceBytes, -tagBytes)), decipher.final()];
        return Buffer.concat(opened).toString('utf8');
      } catch {
        throw new Error(
          `A secret does not open with the encryption key "${id}": it was changed, or the key was.`,
        );
      }
    },

    mac: (text, context) => createHmac('sha256', macKey).update(`${context}\0${text}`).digest('base64url'),

    isOutdated: (ciphertext) => split(ciphertext)[0] !== current.id,
  };
}

function split(ciphertext: string): [id: string, encoded: string] {
  const dot = ciphertext.indexOf('.');
  return [ciphertext.slice(0, dot), ciphertext.slice(dot + 1)];
}
