// Styles that a strict content security policy lets through, and that the page cannot change.
import { paletteOf, type Rgb } from './colour.ts';
import type { Theme } from './options.ts';

const fallback: Rgb = [15, 118, 110];
const darkScheme = matchMedia('(prefers-color-scheme: dark)');

/**
 * Adds a style sheet to a shadow root. A constructed one is not inline, so a policy without 'unsafe-inline' allows it;
 * browsers without them get a style element with the script's nonce.
 * `rem` means the size that the visitor chose in the browser, whatever the page makes of its html element.
 */
export function addStyle(shadow: ShadowRoot, css: string, nonce: string | undefined): void {
  const text = css.replace(/(\d*\.?\d+)rem\b/g, (_, size) => `${Number(size) * visitorsFontSize()}px`);
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    shadow.adoptedStyleSheets = [...shadow.adoptedStyleSheets, sheet];
  } catch {
    const style = document.createElement('style');
    if (nonce) style.nonce = nonce;
    style.textContent = text;
    shadow.prepend(style);
  }
}

/** What the browser makes of a declaration, away from the page's styles. */
function computed(property: 'fontSize' | 'color', value: string): string | undefined {
  const probe = document.createElement('span');
  probe.style.cssText = 'all:initial!important';
  probe.style.setProperty(property === 'color' ? property : 'font-size', value, 'important');
  document.documentElement.append(probe);
  const found = probe.style[property] && getComputedStyle(probe)[property];
  probe.remove();
  return found || undefined;
}

let fontSize = 0;
function visitorsFontSize(): number {
  fontSize ||= Number.parseFloat(computed('fontSize', 'medium') ?? '') || 16;
  return fontSize;
}

export function applyColours(root: HTMLElement, colour: string | undefined, theme: Theme = 'auto'): void {
  const scheme = theme === 'auto' ? (darkScheme.matches ? 'dark' : 'light') : theme;
  root.dataset.scheme = scheme;
  const palette = paletteOf((colour && rgbOf(colour)) || fallback, scheme);
  for (const [name, value] of Object.entries(palette)) root.style.setProperty(`--${name}`, value);
}

/** Any colour of CSS that is red, green and blue in the end; undefined for anything else. */
function rgbOf(colour: string): Rgb | undefined {
  const [, red, green, blue] = /^rgba?\((\d+), (\d+), (\d+)/.exec(computed('color', colour) ?? '') ?? [];
  return red ? [Number(red), Number(green), Number(blue)] : undefined;
}

export function onSchemeChange(listener: () => void): () => void {
  darkScheme.addEventListener('change', listener);
  return () => darkScheme.removeEventListener('change', listener);
}
