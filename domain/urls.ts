// Addresses of pages: one form for each, and which of them belong to a source.

/** Longer ones are no pages that people link to; a unique index has to hold them as well. */
const maxLength = 2_000;
/** A path that says the same thing over and over comes from a relative link that leads into itself. */
const maxRepeats = 3;
/** Where a visitor came from, not which page it is. */
const tracking = /^(utm_\w+|gclid|fbclid|msclkid|mc_cid|mc_eid|_ga)$/i;

/** The one form of a page's address, or undefined where it is none that can be crawled. */
export function pageUrl(text: string, base?: string): string | undefined {
  const url = URL.parse(text.trim(), base);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.username || url.password)
    return undefined;
  url.hash = '';
  const names = new Set(url.searchParams.keys());
  if ([...names].some((name) => tracking.test(name))) {
    for (const name of names) if (tracking.test(name)) url.searchParams.delete(name);
  }
  return url.href.length > maxLength || repeats(url.pathname) ? undefined : url.href;
}

function repeats(path: string): boolean {
  const counts = new Map<string, number>();
  for (const segment of path.split('/').filter(Boolean)) {
    const count = (counts.get(segment) ?? 0) + 1;
    if (count > maxRepeats) return true;
    counts.set(segment, count);
  }
  return false;
}

/** `www.` is the same site to people. */
export const siteOf = (host: string): string => host.toLowerCase().replace(/^www\./, '');

/**
 * Whether a text matches a pattern in which `*` stands for anything. In time of the two lengths' product at most: a
 * regular expression of a customer's could take for ever.
 */
export function matches(pattern: string, text: string): boolean {
  let [at, star, resume] = [0, -1, 0];
  let from = 0;
  while (at < text.length) {
    if (pattern[from] === '*') {
      star = from++;
      resume = at;
    } else if (pattern[from] === text[at]) {
      from++;
      at++;
    } else if (star >= 0) {
      from = star + 1;
      at = ++resume;
    } else return false;
  }
  while (pattern[from] === '*') from++;
  return from === pattern.length;
}
