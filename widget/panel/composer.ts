// The field at the bottom, with one button that sends, or stops the answer that is being written.
import { h } from '../loader/dom.ts';
import type { Texts } from '../texts/en.ts';
import { icons } from './icons.ts';

const maxLength = 8000;

export interface Composer {
  node: HTMLElement;
  focus(): void;
  /** Whether an answer is being written that can be stopped. */
  setBusy(busy: boolean): void;
}

export function createComposer(
  texts: Texts,
  on: { send(text: string, formatted: boolean): void; stop(): void },
): Composer {
  let busy = false;
  const field = h('textarea', {
    class: 'field',
    rows: 1,
    maxlength: maxLength,
    enterkeyhint: 'send',
    autocomplete: 'off',
    placeholder: texts.placeholder,
    'aria-label': texts.question,
  });
  const button = h('button', { type: 'submit', class: 'send' }, icons.send(), icons.stop());
  const format = h(
    'button',
    {
      type: 'button',
      class: 'icon format',
      'aria-label': texts.format,
      title: texts.format,
      'aria-expanded': 'false',
    },
    icons.format(),
  );
  const node = h('form', { class: 'composer' }, format, field, button);
  let toolbar: HTMLElement | undefined;

  function refresh(): void {
    // The placeholder's direction is the widget's, what is written has its own.
    field.dir = field.value ? 'auto' : '';
    const stops = busy && field.value.trim() === '';
    button.classList.toggle('stops', stops);
    const label = stops ? texts.stop : texts.send;
    button.setAttribute('aria-label', label);
    button.title = label;
    // Not `disabled`, which would take the focus away from whoever has just pressed it.
    button.setAttribute('aria-disabled', String(!stops && field.value.trim() === ''));
  }
  function grow(): void {
    field.style.height = 'auto';
    field.style.height = `${field.scrollHeight}px`;
  }

  node.addEventListener('submit', (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (text) {
      field.value = '';
      grow();
      on.send(text, toolbar !== undefined && !toolbar.hidden);
    } else if (busy) on.stop();
    refresh();
  });
  format.addEventListener('click', async () => {
    if (toolbar) toolbar.hidden = !toolbar.hidden;
    else {
      const { createToolbar } = await import('./toolbar.ts');
      toolbar ??= createToolbar(field, texts);
      node.prepend(toolbar);
    }
    format.setAttribute('aria-expanded', String(!toolbar.hidden));
    field.focus();
  });
  field.addEventListener('input', () => {
    grow();
    refresh();
  });
  field.addEventListener('keydown', (event) => {
    // Enter also confirms a word in an input method; that one must not send.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    if (field.value.trim()) node.requestSubmit();
  });
  refresh();

  return {
    node,
    focus: () => field.focus({ preventScroll: true }),
    setBusy(value) {
      busy = value;
      refresh();
    },
  };
}
