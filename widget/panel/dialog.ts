// The panel as a dialog: beside the page's content, or the whole of a small screen.
import { h } from '../loader/dom.ts';

export interface Dialog {
  node: HTMLElement;
  readonly isShown: boolean;
  show(): void;
  hide(): void;
}

export function createDialog(label: string, onClose: () => void, ...parts: HTMLElement[]): Dialog {
  const node = h('div', { class: 'panel', role: 'dialog', 'aria-label': label, hidden: true }, ...parts);

  /** On a phone the panel is the whole screen, above the keyboard. */
  const fitScreen = () => {
    const { visualViewport } = window;
    node.style.setProperty('--height', `${visualViewport?.height ?? innerHeight}px`);
    node.style.setProperty('--top', `${visualViewport?.offsetTop ?? 0}px`);
  };
  const isWholeScreen = () => getComputedStyle(node).getPropertyValue('--whole').trim() === '1';

  node.addEventListener('keydown', (event) => {
    // The page's own shortcuts must not act on what is typed here.
    event.stopPropagation();
    if (event.key === 'Escape' && !event.isComposing) onClose();
    if (event.key === 'Tab' && isWholeScreen()) keepFocus(node, event);
  });

  return {
    node,
    get isShown() {
      return !node.hidden;
    },
    show() {
      node.hidden = false;
      fitScreen();
      visualViewport?.addEventListener('resize', fitScreen);
      visualViewport?.addEventListener('scroll', fitScreen);
      node.setAttribute('aria-modal', String(isWholeScreen()));
    },
    hide() {
      node.hidden = true;
      visualViewport?.removeEventListener('resize', fitScreen);
      visualViewport?.removeEventListener('scroll', fitScreen);
    },
  };
}

/** Tab goes round inside what covers the whole screen. */
function keepFocus(node: HTMLElement, event: KeyboardEvent): void {
  const all = [
    ...node.querySelectorAll<HTMLElement>('button, [href], input, select, textarea, summary, [tabindex="0"]'),
  ].filter((one) => one.getClientRects().length > 0 && !one.closest('[aria-hidden]'));
  const active = (node.getRootNode() as ShadowRoot).activeElement;
  const edge = event.shiftKey ? all[0] : all.at(-1);
  if (active !== edge) return;
  event.preventDefault();
  (event.shiftKey ? all.at(-1) : all[0])?.focus();
}
