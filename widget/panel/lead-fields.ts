// What else a visitor may say of themselves: the fields that the project defines. None has to be filled in.
import type { LeadField } from '../loader/settings.ts';
import type { Texts } from '../texts/en.ts';
import { fill } from '../texts/launcher.ts';
import { ApiError } from './api.ts';
import { createChoice, createField, invalid } from './form.ts';

const attributesOf: Record<Exclude<LeadField['type'], 'choice'>, Record<string, string | undefined>> = {
  text: { dir: 'auto' },
  phone: { type: 'tel', autocomplete: 'tel', dir: 'ltr' },
  number: { inputmode: 'decimal', dir: 'ltr' },
  date: { type: 'date' },
  url: { type: 'url', inputmode: 'url', placeholder: 'https://', dir: 'ltr' },
};

export function createLeadFields(fields: readonly LeadField[], texts: Texts) {
  const made = fields.map((field) => {
    const label = fill(texts.leadFieldLabel, { label: field.label });
    const common = { name: field.key, maxlength: 500 };
    const [node, input] =
      field.type === 'choice'
        ? createChoice(label, field.choices, { name: field.key })
        : createField(label, {
            ...common,
            ...attributesOf[field.type],
            ...(field.key === 'company' ? { autocomplete: 'organization' } : {}),
          });
    return { ...field, node, input };
  });
  return {
    nodes: made.map(({ node }) => node),
    /** Those that were filled in. */
    values: (): Record<string, string> =>
      Object.fromEntries(
        made.map(({ key, input }) => [key, input.value.trim()] as const).filter(([, value]) => value !== ''),
      ),
    /** Marks the field that the server does not take, and says which it is. */
    problemIn(error: unknown): string | undefined {
      if (!(error instanceof ApiError) || error.code !== 'INVALID_REQUEST') return undefined;
      const wrong = made.find(({ key }) => error.message.startsWith(`fields.${key}:`));
      return wrong && invalid(wrong.input, fill(texts.leadFieldWrong, { label: wrong.label }));
    },
  };
}
