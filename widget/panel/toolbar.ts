// Formatting for those who want it: loaded when its button is pressed. What is written stays Markdown.
import { h } from '../loader/dom.ts';
import type { Texts } from '../texts/en.ts';
import { icons } from './icons.ts';

/** What a button does to the selected text: puts something around it, or before each of its lines. */
interface Format {
  label: keyof Texts;
  icon: keyof typeof icons;
  around?: readonly [string, string];
  before?: (line: number) => string;
  key?: string;
}

const formats: readonly Format[] = [
  { label: 'heading', icon: 'heading', before: () => '## ' },
  { label: 'bold', icon: 'bold', around: ['**', '**'], key: 'b' },
  { label: 'italic', icon: 'italic', around: ['*', '*'], key: 'i' },
  { label: 'underline', icon: 'underline', around: ['<u>', '</u>'], key: 'u' },
  { label: 'link', icon: 'link', around: ['[', '](https://)'], key: 'k' },
  { label: 'bullets', icon: 'bullets', before: () => '- ' },
  { label: 'numbers', icon: 'numbers', before: (line) => `${line + 1}. ` },
  { label: 'code', icon: 'code', around: ['`', '`'] },
];

export function createToolbar(field: HTMLTextAreaElement, texts: Texts): HTMLElement {
  const buttons = formats.map((format, index) => {
    const button = h(
      'button',
      {
        type: 'button',
        class: 'icon',
        'aria-label': texts[format.label],
        title: texts[format.label],
        tabindex: index === 0 ? 0 : -1,
      },
      icons[format.icon](),
    );
    button.addEventListener('click', () => apply(field, format));
    return button;
  });
  const bar = h('div', { class: 'toolbar', role: 'toolbar', 'aria-label': texts.format }, ...buttons);

  // One stop for the Tab key; the arrows go through the buttons.
  bar.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const forward = getComputedStyle(bar).direction === 'rtl' ? -step : step;
    const index = buttons.indexOf(event.target as HTMLButtonElement);
    const next = buttons[(index + forward + buttons.length) % buttons.length]!;
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  });
  field.addEventListener('keydown', (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || bar.hidden) return;
    const format = formats.find(({ key }) => key === event.key.toLowerCase());
    if (!format) return;
    event.preventDefault();
    apply(field, format);
  });
  return bar;
}

function apply(field: HTMLTextAreaElement, { around, before }: Format): void {
  const { value, selectionStart, selectionEnd } = field;
  field.focus();
  if (around) {
    const [left, right] = around;
    const chosen = value.slice(selectionStart, selectionEnd);
    put(field, left + chosen + right);
    const start = selectionStart + left.length;
    field.setSelectionRange(start, start + chosen.length);
  } else if (before) {
    const start = value.lastIndexOf('\n', selectionStart - 1) + 1;
    const lines = value.slice(start, selectionEnd).split('\n');
    field.setSelectionRange(start, selectionEnd);
    put(field, lines.map((line, index) => before(index) + line).join('\n'));
  }
}

/** Replaces the selection so that the browser's own undo takes it back. */
function put(field: HTMLTextAreaElement, text: string): void {
  if (document.execCommand('insertText', false, text)) return;
  field.setRangeText(text, field.selectionStart, field.selectionEnd, 'end');
  field.dispatchEvent(new Event('input'));
}
