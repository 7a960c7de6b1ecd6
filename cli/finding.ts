// What a check of the doctor has found.

export type Severity = 'ok' | 'warn' | 'fail';

export interface Finding {
  severity: Severity;
  /** What was looked at. */
  check: string;
  /** How it is. Never a secret, and nothing of what visitors or documents say. */
  detail: string;
  /** How to mend it. */
  remedy?: string;
  /** For programs that read `--json`. */
  data?: Record<string, unknown>;
}

type More = Pick<Finding, 'data'>;

export const ok = (check: string, detail: string, more: More = {}): Finding => ({
  severity: 'ok',
  check,
  detail,
  ...more,
});

export const warn = (check: string, detail: string, remedy: string, more: More = {}): Finding => ({
  severity: 'warn',
  check,
  detail,
  remedy,
  ...more,
});

export const fail = (check: string, detail: string, remedy: string, more: More = {}): Finding => ({
  severity: 'fail',
  check,
  detail,
  remedy,
  ...more,
});

/** Everything after `user:` in an address, up to the last `@` of its authority: a password may hold any character. */
const password = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s/]*@/gi;

/** Hides the passwords in addresses. */
export const masked = (text: string): string => text.replace(password, '$1:***@');

/** An error in one line, without secrets. Drivers leave the message empty when several addresses failed. */
export function reasonOf(error: unknown): string {
  const { message, code, name } = error as { message?: string; code?: unknown; name?: string };
  const text = message || (typeof code === 'string' ? code : (name ?? 'unknown'));
  return masked(text.split('\n', 1)[0]!);
}

const plural = new Intl.PluralRules('en');

/** "1 chunk", "2,000 chunks". */
export const count = (n: number, noun: string): string =>
  `${n.toLocaleString('en')} ${plural.select(n) === 'one' ? noun : `${noun}s`}`;

/** "40 s", "12 min", "3 h", "2 days": for people, so rounded. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
