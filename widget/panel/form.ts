// The forms in the conversation: fields, a place for what is wrong, one button, and quiet ones beside it.
import { h } from '../loader/dom.ts';

export interface FormParts {
  title: string;
  intro: string;
  fields: HTMLElement[];
  submit: string;
  others?: (HTMLElement | undefined)[];
  /** Returns what is wrong. */
  onSubmit(): Promise<string | undefined>;
  /** What an error is called. */
  explain(error: unknown): string;
}

export function createForm({
  title,
  intro,
  fields,
  submit,
  others = [],
  onSubmit,
  explain,
}: FormParts): HTMLFormElement {
  const problem = h('p', { class: 'wrong', role: 'alert', id: 'wrong' });
  const button = h('button', { class: 'primary' }, submit);
  const made = h(
    'form',
    { novalidate: true },
    h('h2', {}, title),
    h('p', { class: 'intro' }, intro),
    ...fields,
    problem,
    h('div', { class: 'row' }, button, ...others),
  );
  made.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (made.ariaBusy === 'true') return;
    made.ariaBusy = 'true';
    problem.textContent = '';
    const wrong = await onSubmit().catch(explain);
    made.ariaBusy = null;
    problem.textContent = wrong ?? '';
    if (wrong) made.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  });
  return made;
}

type Attributes = Record<string, string | number | undefined>;

export function createField(label: string, attributes: Attributes): [HTMLElement, HTMLInputElement] {
  const input = h('input', { 'aria-describedby': 'wrong', ...attributes });
  return [labelled(label, input), input];
}

/** A choice of one, or none. */
export function createChoice(
  label: string,
  choices: readonly string[],
  attributes: Attributes,
): [HTMLElement, HTMLSelectElement] {
  const select = h(
    'select',
    { 'aria-describedby': 'wrong', ...attributes },
    ...['', ...choices].map((choice) => h('option', { value: choice }, choice)),
  );
  return [labelled(label, select), select];
}

function labelled(label: string, input: HTMLElement): HTMLElement {
  input.addEventListener('input', () => input.removeAttribute('aria-invalid'));
  return h('label', { class: 'labelled' }, h('span', {}, h('bdi', {}, label)), input);
}

/** Marks a field as what is wrong. */
export function invalid(input: HTMLElement, reason: string): string {
  input.setAttribute('aria-invalid', 'true');
  return reason;
}
