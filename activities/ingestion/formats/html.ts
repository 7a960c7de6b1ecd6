import Turndown from 'turndown';
import { ParseError } from './parsed.ts';
import { rowsAsText } from './rows.ts';

/** What is used of a page's elements; the types of a browser's document are not loaded here. */
interface Element {
  textContent: string | null;
  querySelectorAll(selector: string): ArrayLike<Element>;
}

/** Never text that a reader sees. */
const unseen = [
  'script',
  'style',
  'noscript',
  'template',
  'iframe',
  'object',
  'head',
  'title',
  'svg',
  'button',
] as const;

/** The converter takes the square of the depth; no page that people write comes near. */
const maxDepth = 5_000;

/** HTML as Markdown: headings, lists and code stay; tables row by row; links and pictures without their addresses. */
export function htmlAsMarkdown(html: string): string {
  if (depthOf(html) > maxDepth) {
    const message = 'The page is nested too deeply to be read. Save its text in a simpler form.';
    throw new ParseError('DOCUMENT_TOO_COMPLEX', message);
  }
  const converter = new Turndown({ headingStyle: 'atx', codeBlockStyle: 'fenced', bulletListMarker: '-' });
  converter.remove(unseen as unknown as Turndown.TagName[]);
  // Escapes would stand in quotes: what is quoted must be what the page says.
  converter.escape = (text) => text;
  converter.addRule('links', { filter: 'a', replacement: (content) => content });
  converter.addRule('pictures', { filter: 'img', replacement: () => '' });
  converter.addRule('tables', {
    // A table that holds headings, lists or tables lays out a page; its cells are read one after the other.
    filter: (node) =>
      node.nodeName === 'TABLE' && !node.querySelector('table, h1, h2, h3, h4, ul, ol, pre, form'),
    replacement: (_content, node) => `\n\n${rowsAsText(rowsOf(node as unknown as Element))}\n\n`,
  });
  return converter
    .turndown(html)
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim();
}

/** How deeply elements may be nested: those whose end is usually left out do not count. */
function depthOf(html: string): number {
  let depth = 0;
  let most = 0;
  for (const [, end, name, closed] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)[^<>]*?(\/?)>/gi)) {
    if (closed || unnested.has(name!.toLowerCase())) continue;
    depth = Math.max(0, depth + (end ? -1 : 1));
    most = Math.max(most, depth);
  }
  return most;
}

const unnested = new Set(
  'p li td th tr dt dd option br hr img input meta link area base col embed source track wbr'.split(' '),
);

function* rowsOf(table: Element): Generator<string[]> {
  for (const row of Array.from(table.querySelectorAll('tr'))) {
    yield Array.from(row.querySelectorAll('th, td'), (cell) => cell.textContent ?? '');
  }
}
