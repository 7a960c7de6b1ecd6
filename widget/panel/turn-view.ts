// One question and its answer, from the moment of asking to the thumbs.
import type { Source } from '../../domain/chat.ts';
import { h } from '../loader/dom.ts';
import type { Texts } from '../texts/en.ts';
import { type ChatTurn, isOpen } from './conversation.ts';
import type { Trouble } from './driver.ts';
import { icons } from './icons.ts';
import { createMarkdown } from './markdown.ts';
import { problemText } from './problems.ts';

/** After this long without a new word the visitor is told that the answer is still being worked on. */
const patienceMs = 4000;
/** At most so much new text goes into one picture: a whole batch at once would hold up the page. */
const lettersPerPicture = 120;

export interface TurnActions {
  retry(turn: ChatTurn): void;
  rate(turn: ChatTurn, rating: 'up' | 'down' | null, text?: string): Promise<void>;
  announce(text: string): void;
  /** More of an answer is on the screen. */
  grown(): void;
}

export interface TurnView {
  node: HTMLElement;
  update(turn: ChatTurn): void;
  /** The text so far. */
  write(text: string): void;
  trouble(trouble: Trouble): void;
  destroy(): void;
}

export function createTurnView(first: ChatTurn, texts: Texts, actions: TurnActions): TurnView {
  let turn = first;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let picture = 0;
  let writing: ReturnType<typeof setTimeout> | undefined;
  let next = '';
  let shown = '';

  const text = h('div', { class: 'text' });
  const status = h('p', { class: 'status', hidden: true });
  const end = h('div', { class: 'end' });
  const answer = h('div', { class: 'answer' }, text, status, end);
  const asked = h(
    first.formatted ? 'div' : 'p',
    { class: first.formatted ? 'question text' : 'question', dir: 'auto' },
    // With a direction of its own it has no say in the question's.
    h('span', { class: 'hidden', dir: 'auto' }, `${texts.you}: `),
    !first.formatted && first.question,
  );
  const node = h('article', { class: 'turn' }, asked, answer);
  const markdownOptions = {
    copyLabel: texts.copyCode,
    copy: (code: string, button: HTMLElement) => void copy(code, button, texts.copied, texts.copyCode),
  };
  if (first.formatted) {
    const plain = (number: number) => h('span', {}, `[${number}]`);
    createMarkdown(asked, { ...markdownOptions, citation: plain })(first.question);
  }
  const show = createMarkdown(text, {
    ...markdownOptions,
    citation(number) {
      const button = h('button', { type: 'button', class: 'cite' }, String(number));
      button.addEventListener('click', () => openSource(number - 1));
      return button;
    },
  });

  function say(line: string | undefined): void {
    status.hidden = !line;
    if (line && status.textContent !== line) status.textContent = line;
  }

  /** What is said while nothing comes. */
  function wait(): void {
    clearTimeout(timer);
    if (turn.state === 'waiting') say(navigator.onLine ? texts.looking : texts.waiting);
    else say(shown ? undefined : texts.looking);
    timer = setTimeout(() => {
      if (isOpen(turn)) say(turn.state === 'waiting' ? texts.waiting : texts.working);
    }, patienceMs);
  }

  /**
   * Shows a little more of what has come, once a picture: tokens can come faster than the screen shows them. Words and
   * their layout are two tasks, so that neither holds up the page.
   */
  function grow(): void {
    writing ??= setTimeout(() => {
      const from = next.startsWith(shown) ? shown.length : 0;
      shown = next.slice(0, from + lettersPerPicture);
      show(shown);
      if (isOpen(turn)) wait();
      else if (shown === next) finish();
      picture = requestAnimationFrame(() => {
        writing = undefined;
        actions.grown();
        if (shown !== next) grow();
      });
    });
  }

  function rest(): void {
    clearTimeout(writing);
    cancelAnimationFrame(picture);
    writing = undefined;
  }

  function openSource(index: number): void {
    const details = end.querySelectorAll('details')[index];
    if (!details) return;
    details.open = true;
    details.querySelector('summary')?.focus({ preventScroll: true });
    details.scrollIntoView({ block: 'nearest' });
  }

  /** Now the sources are known; a number without one was no citation. */
  function nameCitations(): void {
    for (const button of text.querySelectorAll('.cite')) {
      const source = turn.sources[Number(button.textContent) - 1];
      if (source) button.setAttribute('aria-label', `${texts.source} ${button.textContent}: ${source.title}`);
      else button.replaceWith(`[${button.textContent}]`);
    }
  }

  function finish(): void {
    clearTimeout(timer);
    rest();
    say(undefined);
    shown = next = turn.reply;
    show(shown);
    nameCitations();
    node.classList.add('finished');
    end.replaceChildren(
      ...[
        turn.state === 'cancelled' && h('p', { class: 'note' }, texts.stopped),
        turn.state === 'failed' && problem(),
        turn.state === 'answered' && turn.sources.length > 0 && sourceList(turn.sources, texts),
        turn.state === 'declined' && turn.closest.length > 0 && closestList(),
        turn.contactEmail !== undefined && contact(turn.contactEmail),
        turn.state !== 'failed' && turn.reply !== '' && actionRow(),
      ].filter((child) => child !== false),
    );
  }

  function problem(): HTMLElement {
    const again = h('button', { type: 'button', class: 'quiet' }, icons.retry(), texts.retry);
    again.addEventListener('click', () => actions.retry(turn));
    return h(
      'div',
      { class: 'problem' },
      h('p', { dir: 'auto' }, problemText(texts, turn.problem ?? {})),
      again,
    );
  }

  function closestList(): HTMLElement {
    const titles = [...new Set(turn.closest.map(({ title }) => title))];
    return h(
      'div',
      { class: 'closest' },
      h('p', { class: 'label' }, texts.closest),
      h('ul', {}, ...titles.map((title) => h('li', { dir: 'auto' }, title))),
    );
  }

  function contact(email: string): HTMLElement {
    return h(
      'p',
      { class: 'contact' },
      `${texts.contact} `,
      h('a', { href: `mailto:${encodeURIComponent(email).replace('%40', '@')}`, dir: 'ltr' }, email),
    );
  }

  function actionRow(): HTMLElement {
    const button = (label: string, picture: SVGSVGElement, onClick: (button: HTMLButtonElement) => void) => {
      const made = h('button', { type: 'button', class: 'icon', 'aria-label': label, title: label }, picture);
      made.addEventListener('click', () => onClick(made));
      return made;
    };
    const copyButton = button(texts.copy, icons.copy(), (made) => void copyAnswer(made));
    if (!turn.turnId) return h('div', { class: 'actions' }, copyButton);
    const up = button(texts.good, icons.up(), () => void rate(turn.rating === 'up' ? null : 'up'));
    const down = button(texts.bad, icons.down(), () => void rate(turn.rating === 'down' ? null : 'down'));
    up.setAttribute('aria-pressed', String(turn.rating === 'up'));
    down.setAttribute('aria-pressed', String(turn.rating === 'down'));
    return h('div', { class: 'actions' }, copyButton, up, down);
  }

  async function copyAnswer(button: HTMLElement): Promise<void> {
    if (!(await toClipboard(turn.reply))) return;
    button.replaceChildren(icons.done());
    actions.announce(texts.copied);
    setTimeout(() => button.replaceChildren(icons.copy()), 1600);
  }

  async function rate(rating: 'up' | 'down' | null): Promise<void> {
    await actions.rate(turn, rating);
    const index = rating === 'up' || turn.rating === 'up' ? 1 : 2;
    end.querySelectorAll<HTMLElement>('.actions button')[index]?.focus();
    if (rating === 'up') end.append(h('p', { class: 'thanks' }, texts.thanks));
    if (rating === 'up') actions.announce(texts.thanks);
    if (rating === 'down') end.append(commentForm());
  }

  function commentForm(): HTMLElement {
    const field = h('textarea', {
      rows: 2,
      maxlength: 1000,
      'aria-label': texts.comment,
      placeholder: texts.comment,
    });
    const form = h('form', { class: 'comment' }, field, h('button', { class: 'primary' }, texts.commentSend));
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (field.value.trim()) await actions.rate(turn, 'down', field.value.trim());
      end.append(h('p', { class: 'thanks' }, texts.thanks));
      actions.announce(texts.thanks);
    });
    return form;
  }

  const view: TurnView = {
    node,
    update(changed) {
      turn = changed;
      if (isOpen(turn)) {
        wait();
        return;
      }
      next = turn.reply;
      // What was streaming goes on doing so to its end; what was there before is shown at once.
      if (shown && next.startsWith(shown) && next !== shown && !document.hidden) grow();
      else finish();
    },
    write(whole) {
      next = whole;
      grow();
    },
    trouble(trouble) {
      if (trouble && isOpen(turn)) {
        clearTimeout(timer);
        say({ offline: texts.waiting, broken: texts.reconnecting, busy: texts.queued }[trouble]);
      }
    },
    destroy() {
      clearTimeout(timer);
      rest();
    },
  };
  view.update(first);
  return view;
}

function sourceList(sources: readonly Source[], texts: Texts): HTMLElement {
  const item = ({ title, heading, quote }: Source, index: number) => {
    // The headings above the quote without the document's title, which is shown beside them.
    const below = heading
      .split(' › ')
      .filter((part) => part && part !== title)
      .join(' › ');
    return h(
      'li',
      {},
      h(
        'details',
        {},
        h(
          'summary',
          {},
          h('span', { class: 'number' }, String(index + 1)),
          h('span', { class: 'name' }, h('bdi', {}, title), below && h('span', { class: 'below' }, below)),
          icons.open(),
        ),
        h('blockquote', { dir: 'auto' }, quote),
      ),
    );
  };
  return h(
    'div',
    { class: 'sources' },
    h('p', { class: 'label' }, sources.length === 1 ? texts.source : texts.sources),
    h('ol', {}, ...sources.map(item)),
  );
}

async function copy(text: string, button: HTMLElement, done: string, label: string): Promise<void> {
  if (!(await toClipboard(text))) return;
  button.textContent = done;
  setTimeout(() => {
    button.textContent = label;
  }, 1600);
}

/** The clipboard exists only on pages with HTTPS, and may be forbidden. */
async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = h('textarea', {}, text);
    document.body.append(field);
    field.select();
    const done = document.execCommand('copy');
    field.remove();
    return done;
  }
}
