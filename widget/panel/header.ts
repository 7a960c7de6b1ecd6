import { h } from '../loader/dom.ts';
import type { Texts } from '../texts/en.ts';
import { icons } from './icons.ts';

export interface Header {
  node: HTMLElement;
  setEmpty(empty: boolean): void;
  setOffline(offline: boolean): void;
}

/** Who answers, and the buttons that concern the whole conversation. */
export function createHeader(
  { title, texts, avatar }: { title: string; texts: Texts; avatar: string | undefined },
  on: { close(): void; restart(): void },
): Header {
  const button = (label: string, picture: SVGSVGElement, click: () => void) =>
    h('button', { type: 'button', class: 'icon', 'aria-label': label, title: label, click }, picture);
  const subtitle = h('p', { class: 'subtitle' }, texts.subtitle);
  const restart = button(texts.restart, icons.restart(), () => {
    confirm.hidden = false;
    no.focus();
  });
  const yes = h('button', { type: 'button', class: 'danger' }, texts.restartYes);
  const no = h('button', { type: 'button', class: 'quiet' }, texts.restartNo);
  const confirm = h(
    'div',
    { class: 'confirm', role: 'group', 'aria-label': texts.restart, hidden: true },
    h('p', {}, texts.restartAsk),
    yes,
    no,
  );
  no.addEventListener('click', () => {
    confirm.hidden = true;
    restart.focus();
  });
  yes.addEventListener('click', () => {
    confirm.hidden = true;
    on.restart();
  });
  const mark = h('span', { class: 'avatar', 'aria-hidden': 'true' }, title.trim().slice(0, 1).toUpperCase());
  if (avatar) {
    const image = h('img', { src: avatar, alt: '', width: 36, height: 36 });
    image.addEventListener('load', () => mark.replaceChildren(image));
    // Until it has come, and if it never does, the letter stands there.
    image.decoding = 'async';
  }
  return {
    node: h(
      'header',
      {},
      mark,
      h('div', { class: 'who' }, h('p', { class: 'title' }, h('bdi', {}, title)), subtitle),
      restart,
      button(texts.close, icons.close(), on.close),
      confirm,
    ),
    setEmpty(empty) {
      restart.hidden = empty;
      if (empty) confirm.hidden = true;
    },
    setOffline(offline) {
      subtitle.textContent = offline ? texts.offline : texts.subtitle;
      subtitle.classList.toggle('off', offline);
    },
  };
}
