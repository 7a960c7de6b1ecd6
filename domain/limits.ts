// How often something may be called. Windows begin with the first call and end `windowMs` later.

export interface RateLimit {
  /** Counts apart from limits of another name. */
  name: string;
  /** Calls in a window. */
  points: number;
  windowMs: number;
}

/** What became of one call under a limit. */
export interface Taken {
  allowed: boolean;
  limit: RateLimit;
  /** Calls that the window still has. */
  remaining: number;
  /** Milliseconds until the window ends. */
  resetMs: number;
}

/** What an address counts as: IPv6 hands whole /64 networks to single users. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped) return mapped;
  const [head = '', tail] = address.split('::');
  const groups = (text: string | undefined) => (text ? text.split(':') : []);
  const missing = tail === undefined ? 0 : Math.max(0, 8 - groups(head).length - groups(tail).length);
  const all = [...groups(head), ...Array<string>(missing).fill('0'), ...groups(tail)];
  return all
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':');
}
