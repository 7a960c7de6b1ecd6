// Comparing an index with how it should be: pure, for the doctor.

export interface IndexInspection {
  status: 'green' | 'yellow' | 'red' | string;
  exists: boolean;
  /** Settings that stop writing, such as Elasticsearch sets when the disk is nearly full. */
  blocks: string[];
  /** Empty where the mapping is as `ensure` would create it. */
  differences: string[];
}

/** The blocks that are set among flat settings: `index.blocks.…` and `cluster.blocks.…`. */
export function blocksIn(settings: unknown): string[] {
  return Object.entries((settings ?? {}) as Record<string, unknown>)
    .filter(([name, value]) => /^(index|cluster)\.blocks\./.test(name) && String(value) === 'true')
    .map(([name]) => name);
}

/**
 * Paths at which `actual` lacks or contradicts what is expected, or has fields beyond it. Elasticsearch gives values
 * back as text in places, so they are compared as text.
 */
export function differencesBetween(expected: unknown, actual: unknown, path: string): string[] {
  if (typeof expected !== 'object' || expected === null) {
    return String(expected) === String(actual) ? [] : [`${path} is ${actual}, not ${expected}`];
  }
  if (typeof actual !== 'object' || actual === null) return [`${path} is missing`];
  const wanted = expected as Record<string, unknown>;
  const given = actual as Record<string, unknown>;
  const different = Object.keys(wanted).flatMap((key) =>
    differencesBetween(wanted[key], given[key], `${path}.${key}`),
  );
  const more = path.endsWith('.properties') ? Object.keys(given).filter((key) => !(key in wanted)) : [];
  return [...different, ...more.map((key) => `${path}.${key} is unknown`)];
}
