// What we use of the package. Its own types have its former name and would bring a browser's globals.
declare module '@mixmark-io/domino' {
  interface HtmlNode {
    textContent: string | null;
    firstChild: HtmlNode | null;
    insertBefore(node: HtmlNode, before: HtmlNode | null): void;
  }
  export interface HtmlElement extends HtmlNode {
    id: string;
    tagName: string;
    outerHTML: string;
    getAttribute(name: string): string | null;
    querySelector(selector: string): HtmlElement | null;
    querySelectorAll(selector: string): ArrayLike<HtmlElement> & Iterable<HtmlElement>;
    remove(): void;
  }
  export interface HtmlDocument extends Pick<HtmlElement, 'querySelector' | 'querySelectorAll'> {
    title: string;
    body: HtmlElement;
    documentElement: HtmlElement;
    importNode(node: HtmlNode, deep: boolean): HtmlNode;
  }
  const domino: { createDocument(html: string): HtmlDocument };
  export default domino;
}
