// The scrolling part: what was said, and where the reader is in it.
import { h } from '../loader/dom.ts';
import type { Texts } from '../texts/en.ts';
import { icons } from './icons.ts';

export interface Log {
  node: HTMLElement;
  /** Where turns and forms go. */
  content: HTMLElement;
  /** Keeps what grows in view, until the beginning of the newest turn is at the top: nobody reads from the end. */
  follow(newest: HTMLElement | undefined): void;
  /** Goes to the newest turn, wherever the reader was. */
  toEnd(newest: HTMLElement | undefined): void;
}

export function createLog(texts: Texts): Log {
  let follows = true;
  let last = 0;
  const content = h('div', { class: 'content' });
  const scroller = h(
    'div',
    { class: 'log', tabindex: 0, role: 'region', 'aria-label': texts.conversation },
    content,
  );
  const jump = h(
    'button',
    { type: 'button', class: 'jump', 'aria-label': texts.latest, title: texts.latest, hidden: true },
    icons.latest(),
  );
  const node = h('div', { class: 'middle' }, scroller, jump);

  const toEnd = (newest: HTMLElement | undefined) => {
    follows = true;
    follow(newest);
  };
  function follow(newest: HTMLElement | undefined): void {
    const bottom = scroller.scrollHeight - scroller.clientHeight;
    if (follows) {
      const top = newest ? newest.offsetTop - 12 : bottom;
      scroller.scrollTop = last = Math.max(0, Math.min(bottom, top));
    }
    showJump();
  }
  function showJump(): void {
    jump.hidden = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop < 120;
  }

  // Whoever scrolls up is left alone until they come back.
  scroller.addEventListener('scroll', () => {
    const { scrollTop, scrollHeight, clientHeight } = scroller;
    if (scrollTop < last - 4) follows = false;
    else if (scrollHeight - clientHeight - scrollTop < 40) follows = true;
    last = scrollTop;
    showJump();
  });
  jump.addEventListener('click', () => {
    scroller.scrollTop = scroller.scrollHeight;
    follows = true;
  });
  return { node, content, follow, toEnd };
}
