// `frontdesk rotate-encryption`: encrypts again, with the first of ENCRYPTION_KEYS, what another of them encrypted.
import type { Encryption } from '../encryption.ts';
import type { SecretSource } from '../stores/postgres/secrets.ts';

export interface Rotated {
  name: string;
  total: number;
  rotated: number;
  /** Why some do not open: each reason once. */
  failures: string[];
}

/** Can be interrupted and run again. What does not open is left as it is, and told. */
export async function rotateEncryption(
  encryption: Encryption,
  sources: readonly SecretSource[],
): Promise<Rotated[]> {
  const results: Rotated[] = [];
  for (const source of sources) {
    const secrets = await source.list();
    const failures = new Set<string>();
    let rotated = 0;
    for (const { ciphertext, context, replace } of secrets) {
      if (!encryption.isOutdated(ciphertext)) continue;
      try {
        await replace(encryption.encrypt(encryption.decrypt(ciphertext, context), context));
        rotated += 1;
      } catch (error) {
        failures.add((error as Error).message);
      }
    }
    results.push({ name: source.name, total: secrets.length, rotated, failures: [...failures] });
  }
  return results;
}
