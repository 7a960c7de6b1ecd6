// Text that tries to steer the assistant. Delimiters and rules in the prompt are the first line; this is the second.

/**
 * A text without characters that people do not see: zero-width and direction marks, Unicode tags, variation selectors,
 * control characters. They can carry instructions past a reader. Joiners stay, which scripts and emoji need.
 */
export function visibleText(text: string): string {
  return text
    .replaceAll(/[\u{E0000}-\u{E0FFF}]/gu, '')
    .replaceAll(/[\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\uFEFF\u00AD]/g, '')
    .replaceAll(/(?![\t\n\r])\p{Cc}/gu, ' ');
}

const ofTheAssistant =
  '(?:your|the|this|its|every|each) (?:next |final |whole |entire )?(?:reply|response|answer|message|output)s?';

/**
 * What documents of a business do not say, and instructions hidden in them do: they speak of the assistant's answer, of
 * its rules, or to the model itself.
 */
const addressesAssistant = [
  new RegExp(
    `\\b(?:in|to|into|of|with|from|through|using|by|for|within) ${ofTheAssistant.replace('|the|', '|')}\\b`,
  ),
  new RegExp(
    `\\b(?:render|encode|encrypt|translate|rewrite|modify|alter|augment|enhance|provide|display|write|format|give|invert|reverse|replace|begin|start|end|finish) (?:all of )?${ofTheAssistant}\\b`,
  ),
  /\b(?:ignore|forget|disregard|override|bypass|skip)\b.{0,40}\b(?:instruction|prompt|rule|direction|guideline|constraint|policies|policy)s?\b/,
  /\b(?:system|developer|hidden|initial|original) (?:prompt|instruction|message)s?\b/,
  /\b(?:you are|you're|act as|pretend to be|behave as) (?:now )?(?:an? )?(?:unrestricted|uncensored|ai|language model|chatbot|assistant|dan|jailbroken)\b/,
  /\b(?:as|if you are|dear|hey|hello|attention|note to)[ ,:]+(?:an? |the |all )?(?:ai|language model|llm|chatbot|ai assistant|assistant|ai model)s?\b/,
  /<\/?(?:system|assistant|im_start|im_end|instructions?)\b|\[\/?inst\]|<\|[a-z_]+\|>/,
];

/** Whether a sentence speaks to the assistant instead of the reader. */
export function addressesTheAssistant(sentence: string): boolean {
  const text = visibleText(sentence).normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ');
  return addressesAssistant.some((pattern) => pattern.test(text));
}
