// Markdown as elements, while it is being written. The parser's tokens become elements directly: no HTML is ever
// parsed, so markup in an answer stays text, and only addresses need to be checked.
import { Lexer, type MarkedToken, type Token, type Tokens } from 'marked';
import { h } from '../loader/dom.ts';

/** A piece of an answer: what it is, what it was made of, and how to make it. */
interface Spec {
  /** Two pieces of the same kind can become one another by changing what is inside. */
  kind: string;
  raw: string;
  make(): Element | Text;
  inside?: Spec[];
  /** Where the pieces inside go, if not into the node itself. */
  into?(node: Element): Node;
}
interface Part {
  kind: string;
  raw: string;
  node: Element | Text;
  into: Node;
  inside: Part[];
}

export interface MarkdownOptions {
  copyLabel: string;
  /** Copies the text of a code block. */
  copy(text: string, button: HTMLElement): void;
  /** What shows a source by its number, from 1. */
  citation(number: number): HTMLElement;
}

/** Shows Markdown in `target`. What a text has in common with the one before stays as it is. */
export function createMarkdown(target: HTMLElement, options: MarkdownOptions): (text: string) => void {
  let text = '';
  /** Up to here blocks are complete and are never looked at again. */
  let settled = 0;
  let open: Part[] = [];

  function show(next: string): void {
    if (next === text) return;
    if (!next.startsWith(text)) {
      target.textContent = '';
      open = [];
      settled = 0;
    }
    text = next;
    const tokens = new Lexer({ gfm: true }).lex(text.slice(settled));
    let last = tokens.length - 1;
    while (tokens[last]?.type === 'space') last--;
    sync(target, open, blocks(tokens, options));
    // The last block may still grow, and an empty line does not end a list.
    const complete = tokens.slice(0, Math.max(0, last));
    for (const token of complete) settled += token.raw.length;
    open.splice(0, Math.max(0, blocks(complete, options).length));
  }

  return show;
}

/** Makes the children of `parent` that `parts` describe into what `specs` say, touching only what differs. */
function sync(parent: Node, parts: Part[], specs: Spec[]): void {
  specs.forEach((spec, index) => {
    const part = parts[index];
    if (part && part.kind === spec.kind) {
      if (part.raw === spec.raw) return;
      part.raw = spec.raw;
      if (spec.inside) {
        sync(part.into, part.inside, spec.inside);
        return;
      }
      if (part.node instanceof Text) {
        part.node.data = spec.raw;
        return;
      }
    }
    const fresh = built(spec);
    if (part) parent.replaceChild(fresh.node, part.node);
    else parent.appendChild(fresh.node);
    parts[index] = fresh;
  });
  for (const { node } of parts.splice(specs.length)) node.remove();
}

function built(spec: Spec): Part {
  const node = spec.make();
  const part: Part = {
    kind: spec.kind,
    raw: spec.raw,
    node,
    into: spec.into?.(node as Element) ?? node,
    inside: [],
  };
  if (spec.inside) sync(part.into, part.inside, spec.inside);
  return part;
}

const element = (tag: keyof HTMLElementTagNameMap, raw: string, inside: Spec[], attributes = {}): Spec => ({
  kind: tag + JSON.stringify(attributes),
  raw,
  inside,
  make: () => h(tag, attributes),
});
const plain = (text: string): Spec => ({ kind: 'text', raw: text, make: () => new Text(text) });

function blocks(tokens: readonly Token[], options: MarkdownOptions): Spec[] {
  return tokens.flatMap((generic): Spec[] => {
    const token = generic as MarkedToken;
    const { raw } = token;
    switch (token.type) {
      case 'space':
      case 'def':
        return [];
      case 'heading':
        return [element(token.depth < 3 ? 'h2' : 'h3', raw, inline(token.tokens, options), { dir: 'auto' })];
      case 'paragraph':
        return [element('p', raw, inline(token.tokens ?? [], options), { dir: 'auto' })];
      case 'blockquote':
        return [element('blockquote', raw, blocks(token.tokens ?? [], options))];
      case 'list':
        return [
          element(
            token.ordered ? 'ol' : 'ul',
            raw,
            token.items.map((item) => element('li', item.raw, blocks(item.tokens, options), { dir: 'auto' })),
            token.ordered && token.start !== 1 ? { start: token.start } : {},
          ),
        ];
      case 'checkbox':
        return [plain(token.checked ? '☑ ' : '☐ ')];
      case 'code':
        return [codeBlock(token, options)];
      case 'table':
        return [table(token, options)];
      case 'hr':
        return [element('hr', raw, [])];
      case 'text':
        return inline(token.tokens ?? [token], options);
      default:
        // Raw HTML among them.
        return [element('p', raw, [plain(raw.trim())], { dir: 'auto' })];
    }
  });
}

function codeBlock(token: Tokens.Code, options: MarkdownOptions): Spec {
  return {
    kind: 'code',
    raw: token.raw,
    inside: [plain(token.text)],
    into: (node) => node.querySelector('code')!,
    make() {
      const code = h('code');
      const copy = h('button', { type: 'button', class: 'copy-code' }, options.copyLabel);
      copy.addEventListener('click', () => options.copy(code.textContent ?? '', copy));
      return h('div', { class: 'code' }, copy, h('pre', { dir: 'ltr', tabindex: 0 }, code));
    },
  };
}

function table(token: Tokens.Table, options: MarkdownOptions): Spec {
  const row = (cells: Tokens.TableCell[], tag: 'th' | 'td'): Spec =>
    element(
      'tr',
      JSON.stringify(cells.map(({ text }) => text)),
      cells.map((cell) =>
        element(tag, cell.text, inline(cell.tokens, options), {
          dir: 'auto',
          class: cell.align === 'right' || cell.align === 'center' ? cell.align : undefined,
        }),
      ),
    );
  return {
    kind: 'table',
    raw: token.raw,
    inside: [
      element('thead', JSON.stringify(token.header.map(({ text }) => text)), [row(token.header, 'th')]),
      element(
        'tbody',
        token.raw,
        token.rows.map((cells) => row(cells, 'td')),
      ),
    ],
    into: (node) => node.firstChild!,
    make: () => h('div', { class: 'table', tabindex: 0 }, h('table')),
  };
}

function inline(tokens: readonly Token[], options: MarkdownOptions): Spec[] {
  // Markdown has no underline; the formatting buttons write the one tag for it.
  const begin = tokens.findIndex(({ raw }) => raw === '<u>');
  const end = tokens.findIndex(({ raw }, index) => index > begin && raw === '</u>');
  if (begin >= 0 && end > begin) {
    const inner = tokens.slice(begin + 1, end);
    return [
      ...inline(tokens.slice(0, begin), options),
      element('u', inner.map(({ raw }) => raw).join(''), inline(inner, options)),
      ...inline(tokens.slice(end + 1), options),
    ];
  }
  return tokens.flatMap((generic): Spec[] => {
    const token = generic as MarkedToken;
    const { raw } = token;
    switch (token.type) {
      case 'strong':
      case 'em':
      case 'del':
        return [element(token.type, raw, inline(token.tokens ?? [], options))];
      case 'codespan':
        return [element('code', raw, [plain(token.text)])];
      case 'br':
        return [element('br', raw, [])];
      case 'link':
        return [link(token.href, raw, inline(token.tokens ?? [], options))];
      case 'image':
        // Only a link to it: the visitor's browser fetches nothing that an answer names by itself.
        return [link(token.href, raw, [plain(token.text || token.href)])];
      case 'escape':
        return [plain(token.text)];
      case 'text':
        return token.tokens ? inline(token.tokens, options) : withCitations(decoded(token.text), options);
      case 'checkbox':
        return [plain(token.checked ? '☑ ' : '☐ ')];
      default:
        return [plain(raw)];
    }
  });
}

const safeProtocols = ['https:', 'http:', 'mailto:', 'tel:'];

/** A link, or only its text where its address could do anything but open a page, a mail or a call. */
function link(href: string, raw: string, inside: Spec[]): Spec {
  let url: URL | undefined;
  try {
    url = new URL(href, location.href);
  } catch {}
  if (!url || !safeProtocols.includes(url.protocol)) return element('span', raw, inside);
  return element('a', raw, inside, { href: url.href, target: '_blank', rel: 'noopener noreferrer nofollow' });
}

/** Text with `[1]` made into the button of the first source. */
function withCitations(text: string, options: MarkdownOptions): Spec[] {
  return text.split(/(\[\d{1,2}\])/).flatMap((piece): Spec[] => {
    const number = /^\[(\d+)\]$/.exec(piece)?.[1];
    if (number) return [{ kind: 'citation', raw: piece, make: () => options.citation(Number(number)) }];
    return piece ? [plain(piece)] : [];
  });
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", nbsp: ' ' };
const decoded = (text: string) => text.replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (_, name) => entities[name]!);
