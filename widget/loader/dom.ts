// Elements without markup: nothing that a visitor, a document or a model wrote is ever parsed as HTML.
type Child = Node | string | undefined | false;
// biome-ignore lint/suspicious/noExplicitAny: a handler takes the event of its element
type Attributes = Record<string, string | number | boolean | undefined | ((event: any) => void)>;

/** An element; attributes that are functions are listeners, those that are undefined or false are left out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const name of Object.keys(attributes)) {
    const value = attributes[name];
    if (typeof value === 'function') node.addEventListener(name, value);
    else if (value !== undefined && value !== false)
      node.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children) if (child) node.append(child);
  return node;
}

/** A picture of lines on a grid of 24, in the colour of the text around it. */
export function icon(d: string): SVGSVGElement {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(namespace, 'path');
  path.setAttribute('d', d);
  svg.append(path);
  return svg;
}
