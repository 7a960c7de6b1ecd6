// What a model may put into an answer: text, markers and links that the sources have. It is checked as it streams, so
// that nothing is shown first and taken back later.

export interface OutputRules {
  /** Whether an address may be shown as it is. */
  allowsLink: (url: string) => boolean;
  /** Numbers of the sources that a marker names, as written; gives the numbers to show, or none. */
  cite: (numbers: readonly number[], before: string) => Promise<readonly number[]>;
}

/** Longer constructs than this are no links, and no visitor waits for their end. */
const longest = 2_000;

const opening = /!?\[|【|<|https?:\/\/|www\./i;
/** The end of a text that may be the beginning of an opening. */
const openingBegun = /(?:!|w{1,3}|h(?:t(?:t(?:p(?:s(?::\/?)?|:\/?)?)?)?)?)$/i;
const marker = /^(?:\[|【)\s*(\d{1,2}(?:\s*[,;]\s*\d{1,2})*)\s*(?:†[^\]】]*)?(?:\]|】)/;
const link =
  /^!?\[([^[\]\n]*)\]\(\s*<?([^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)>?(?:\s+["'][^"'\n]*["'])?\s*\)/;
const brackets = /^(?:\[([^[\]\n]*)\]|【([^】\n]*)】)(?=[^(])/;
const autolink = /^<((?:https?:\/\/|www\.)[^\s<>]*)>/i;
const tag = /^<\/?[a-z!][^<>]*>/i;
const address = /^(?:https?:\/\/|www\.)[^\s<>"'`[\](){}|\\^]+/i;

/**
 * Cleans a text that comes in parts. Images and HTML go, a link that is not allowed leaves its words, markers are those
 * that `cite` gives. Holds back what cannot be judged yet.
 */
export function createOutputFilter(rules: OutputRules) {
  let waiting = '';
  /** White space is held until it is known that no dropped marker follows it. */
  let space = '';
  let shown = '';

  function emit(text: string): string {
    const all = space + text;
    space = /\s*$/.exec(all)![0];
    const out = all.slice(0, all.length - space.length);
    shown += out;
    return out;
  }

  /** What is at the beginning of `rest`: what to show of it and how long it is; undefined: not yet known. */
  async function judge(
    rest: string,
    complete: boolean,
  ): Promise<{ length: number; text: string } | undefined> {
    const found = marker.exec(rest);
    if (found && (complete || rest.length > found[0].length)) {
      // "[1](https://…)" is a link with a number for its text.
      if (!link.test(rest)) {
        if (
          !complete &&
          /^[^(]*\([^)]*$/.test(rest.slice(found[0].length - 1)) &&
          rest[found[0].length] === '('
        )
          return undefined;
        const wanted = found[1]!.split(/[,;]/).map(Number);
        const numbers = await rules.cite(wanted, shown);
        if (numbers.length === 0) {
          const next = rest[found[0].length];
          if (next === undefined || /[\s.,;:!?)\]]/.test(next)) space = '';
          return { length: found[0].length, text: '' };
        }
        return { length: found[0].length, text: numbers.map((number) => `[${number}]`).join('') };
      }
    }
    const linked = link.exec(rest);
    if (linked) {
      const [whole, words, url] = linked;
      const image = whole.startsWith('!');
      const kept = !image && rules.allowsLink(url!) ? whole : words!;
      return { length: whole.length, text: image ? '' : kept };
    }
    const plain = brackets.exec(complete ? `${rest} ` : rest);
    if (plain) return { length: plain[0].length, text: plain[0] };
    const auto = autolink.exec(rest);
    if (auto) return { length: auto[0].length, text: rules.allowsLink(auto[1]!) ? auto[1]! : '' };
    const element = tag.exec(rest);
    if (element) return { length: element[0].length, text: '' };
    if (/^<[^a-z/!]/i.test(rest)) return { length: 1, text: '<' };
    const url = address.exec(rest);
    if (url && (complete || url[0].length < rest.length)) {
      const end = url[0].replace(/[.,;:!?*_~]+$/, '');
      return { length: end.length, text: rules.allowsLink(end) ? end : '' };
    }
    if (!complete && rest.length < longest && !/^\S*\n\s*\n/.test(rest)) return undefined;
    // Never closed: without its opening it is only text.
    const skipped = opening.exec(rest)![0];
    return { length: skipped.length, text: /^[<!【]|:\/\//.test(skipped) ? '' : skipped };
  }

  async function run(complete: boolean): Promise<string> {
    let out = '';
    for (;;) {
      const at = opening.exec(waiting)?.index;
      if (at === undefined) {
        const held = complete ? '' : (openingBegun.exec(waiting)?.[0] ?? '');
        out += emit(waiting.slice(0, waiting.length - held.length));
        waiting = held;
        return out;
      }
      out += emit(waiting.slice(0, at));
      waiting = waiting.slice(at);
      const judged = await judge(waiting, complete);
      if (!judged) return out;
      waiting = waiting.slice(judged.length);
      if (judged.text) out += emit(judged.text);
    }
  }

  return {
    async push(part: string): Promise<string> {
      waiting += part;
      return await run(false);
    },
    /** What was held back. */
    async end(): Promise<string> {
      return await run(true);
    },
    /** All that was let through. */
    get text(): string {
      return shown;
    },
  };
}

const run = 6;

/** Notices when a text repeats a run of six words of one that is not to be shown. */
export function createLeakCheck(secret: string): (text: string) => boolean {
  const words = (text: string) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const runsOf = (all: string[]) =>
    all.slice(0, Math.max(0, all.length - run + 1)).map((_, at) => all.slice(at, at + run).join(' '));
  const runs = new Set(runsOf(words(secret)));
  return (text) => runsOf(words(text)).some((one) => runs.has(one));
}
