import domino, { type HtmlDocument, type HtmlElement } from '@mixmark-io/domino';
import { Readability } from '@mozilla/readability';
import { parseHTML } from 'linkedom';
import { pageUrl } from '../../domain/urls.ts';
import { htmlAsMarkdown } from '../ingestion/formats/html.ts';

export interface PageContent {
  title: string;
  /** What the page says, without what stands around it on every page. Empty where it says nothing. */
  markdown: string;
  /** Pages that it links to, each once, in their order. */
  links: string[];
  /** The address that it wants to be known by, where it names one. */
  canonical: string | undefined;
  /** It asks not to be shown in searches. */
  noindex: boolean;
}

const maxLinks = 2_000;
/** A main element with less text is a frame that scripts fill. */
const enoughText = 200;
/** Readability looks for an article. Where it keeps less of the page's text than this, the page is none. */
const articleShare = 0.5;

/** Never part of what a page says. A header within the main part holds its headings and stays. */
const surroundings = [
  ...['script', 'style', 'noscript', 'template', 'iframe', 'object', 'svg', 'canvas', 'dialog'],
  ...['nav', 'footer', 'aside', 'form', 'button', 'input', 'select', 'textarea'],
  ...['navigation', 'banner', 'contentinfo', 'complementary', 'search', 'dialog', 'alertdialog', 'menu'].map(
    (role) => `[role="${role}"]`,
  ),
  ...['[hidden]', '[aria-hidden="true"]', '[aria-modal="true"]', 'body > header'],
].join(', ');

/** What banners that ask for consent are called, whoever made them. */
const consentBanner = /\b(cookie|consent|gdpr|onetrust|cc-window|usercentrics|skip-link|breadcrumbs?)/i;

/** Reads a page. Takes long, or throws RangeError, for markup that is made to harm: run it in a thread. */
export function readPage(html: string, url: string): PageContent {
  const document = domino.createDocument(html);
  const metaOf = (name: string) =>
    document.querySelector(`meta[name="${name}"], meta[property="${name}"]`)?.getAttribute('content') ?? '';
  const base = URL.parse(document.querySelector('base[href]')?.getAttribute('href') ?? '', url)?.href ?? url;
  const robots = `${metaOf('robots')},${metaOf('FrontdeskBot')}`.toLowerCase();
  const canonical = document.querySelector('link[rel="canonical"]')?.getAttribute('href');
  const headTitle = clean(document.title || metaOf('og:title'));
  const links = /\b(nofollow|none)\b/.test(robots) ? [] : linksOf(document, base);

  const main = mainPart(document);
  const heading = clean(main.querySelector('h1')?.textContent ?? '');
  const markdown = htmlAsMarkdown(main.outerHTML);
  const title = (heading || headTitle).slice(0, 200);
  return {
    title,
    // The title leads every chunk's headings, so a page without a first heading gets one.
    markdown: markdown === '' || heading !== '' || title === '' ? markdown : `# ${title}\n\n${markdown}`,
    links,
    canonical: canonical ? pageUrl(canonical, base) : undefined,
    noindex: /\b(noindex|none)\b/.test(robots),
  };
}

function linksOf(document: HtmlDocument, base: string): string[] {
  const links = new Set<string>();
  for (const link of document.querySelectorAll('a[href], area[href]')) {
    if (/\bnofollow\b/i.test(link.getAttribute('rel') ?? '')) continue;
    const url = pageUrl(link.getAttribute('href') ?? '', base);
    if (url) links.add(url);
    if (links.size >= maxLinks) break;
  }
  return [...links];
}

/** The main part of the page: where it says itself what that is, else the article in it, else all but the frame. */
function mainPart(document: HtmlDocument): HtmlElement {
  for (const element of document.querySelectorAll(surroundings)) element.remove();
  for (const element of document.querySelectorAll('[id], [class]')) {
    const names = `${element.id} ${element.getAttribute('class') ?? ''}`;
    if (consentBanner.test(names) && !/^(html|body|main|article)$/i.test(element.tagName)) element.remove();
  }
  const marked = document.querySelectorAll('main, [role="main"]');
  const main = marked.length === 1 ? marked[0] : undefined;
  if (main && textLength(main) >= enoughText) return main;
  // Readability needs a document that it may change; linkedom has the one that it is tested with.
  const article = new Readability(parseHTML(document.documentElement.outerHTML).document as never).parse();
  if (article?.content && (article.textContent?.length ?? 0) > articleShare * textLength(document.body)) {
    const found = domino.createDocument(article.content);
    // Readability takes the first heading out: it is the title to it.
    const heading = document.querySelector('h1');
    if (heading && !found.querySelector('h1'))
      found.body.insertBefore(found.importNode(heading, true), found.body.firstChild);
    return found.body;
  }
  return document.body;
}

const textLength = (element: HtmlElement) => clean(element.textContent ?? '').length;
const clean = (text: string) => text.replaceAll(/\s+/g, ' ').trim();
