import type { App } from '../app.ts';

/**
 * PostgreSQL stores neither NUL nor half a surrogate pair, which is what cutting a text in the middle of an emoji
 * leaves. They become U+FFFD, the replacement character, before a route sees them.
 */
export function storableText(app: App): void {
  app.addHook('preValidation', async (request) => {
    request.body = storable(request.body);
    request.query = storable(request.query);
    request.params = storable(request.params);
  });
}

/** The same value where there is nothing to replace. */
export function storable(value: unknown): unknown {
  if (typeof value === 'string') return storableString(value);
  if (Array.isArray(value)) {
    const parts = value.map(storable);
    return parts.some((part, position) => part !== value[position]) ? parts : value;
  }
  if (value === null || typeof value !== 'object' || !isPlain(value)) return value;
  const entries = Object.entries(value);
  const changed = entries.map(([key, part]): [string, unknown] => [storableString(key), storable(part)]);
  const same = changed.every(([key, part], n) => key === entries[n]![0] && part === entries[n]![1]);
  return same ? value : Object.fromEntries(changed);
}

const storableString = (text: string): string =>
  (text.isWellFormed() ? text : text.toWellFormed()).replaceAll('\0', '\ufffd');

/** Not a stream, a buffer or a file of a form. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}
