// Argon2id (RFC 9106) in PHC string format: $argon2id$v=19$m=…,t=…,p=…$salt$hash.
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify(argon2);

/** OWASP's first choice for Argon2id: 19 MiB, two passes, one lane. About 30 ms on a thread of its own. */
const parameters = { memory: 19_456, passes: 2, parallelism: 1 };
const tagLength = 32;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive('argon2id', { ...parameters, message: password, nonce: salt, tagLength });
  const { memory, passes, parallelism } = parameters;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(hash)}`;
}

/**
 * Whether the password is the one that was hashed. Without a hash (nobody has that address) it takes as long and says
 * no, so that the time does not tell which addresses are known.
 */
export async function verifyPassword(password: string, stored: string | undefined): Promise<boolean> {
  const { memory, passes, parallelism, salt, hash } = parse(stored ?? (await nobody));
  const given = await derive('argon2id', {
    message: password,
    nonce: salt,
    memory,
    passes,
    parallelism,
    tagLength: hash.length,
  });
  return timingSafeEqual(given, hash) && stored !== undefined;
}

const nobody = hashPassword(randomBytes(16).toString('hex'));

function parse(stored: string) {
  const found = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([^$]+)\$([^$]+)$/.exec(stored);
  if (!found) throw new Error('a stored password hash is not an Argon2id PHC string');
  const [, memory, passes, parallelism, salt, hash] = found;
  return {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt!, 'base64'),
    hash: Buffer.from(hash!, 'base64'),
  };
}

/** PHC strings have no padding. */
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replace(/=+$/, '');
