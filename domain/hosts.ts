// Sites that are known by the host of their pages.
import { z } from 'zod';

/** As it is stored and compared: in lower case, without "www.". */
export const hostName = z
  .string()
  .trim()
  .toLowerCase()
  .max(253)
  .regex(
    /^([a-z0-9-]+\.)*[a-z0-9-]+$/,
    'must be a host name such as example.com, without scheme, port or path',
  )
  .transform(withoutWww);

export interface Host {
  host: string;
  /** Who is written to when a visitor leaves an address. */
  leadRecipients: readonly string[];
  createdAt: Date;
}

/** The host of the page that makes a request, from its Origin or else its Referer; undefined where neither says. */
export function pageHost(origin: string | undefined, referer: string | undefined): string | undefined {
  for (const address of [origin, referer]) {
    const url = address === undefined ? null : URL.parse(address);
    if (url && /^https?:$/.test(url.protocol)) return withoutWww(url.hostname);
  }
  return undefined;
}

function withoutWww(host: string): string {
  return host.replace(/^www\.(?=.)/, '');
}
