import { h } from '../loader/dom.ts';
import type { Texts } from '../texts/en.ts';
import { icons } from './icons.ts';

/** What a visitor sees first: a greeting, and questions that others have asked. */
export function createWelcome(
  texts: Texts,
  suggestions: readonly string[],
  onAsk: (question: string) => void,
) {
  const greeting = h('p', { class: 'greeting', dir: 'auto' });
  const list = h(
    'ul',
    { class: 'suggestions', 'aria-label': texts.suggestions },
    ...suggestions.map((question) => {
      const button = h('button', { type: 'button' }, h('span', { dir: 'auto' }, question), icons.arrow());
      button.addEventListener('click', () => onAsk(question));
      return h('li', {}, button);
    }),
  );
  const node = h('div', { class: 'welcome' }, greeting, suggestions.length > 0 && list);
  return {
    node,
    greet(text: string): void {
      greeting.textContent = text;
    },
    setEmpty(empty: boolean): void {
      list.hidden = !empty;
      node.classList.toggle('past', !empty);
    },
  };
}
